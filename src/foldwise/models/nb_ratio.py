"""Log-count ratios: how strongly each term speaks for a class, as naive Bayes sees it.

A linear model whose weights are penalised in units of these ratios is the NB-SVM of Wang and
Manning, "Baselines and Bigrams" (2012), here with all classes in one softmax.
"""

import numpy as np

from foldwise.features.blocks import Block

_SMOOTHING = 0.1  # rows added to each count; 1 and 0.01 were worse on three data sets
_LEAST = 1e-3  # a term without an opinion keeps a penalty that is finite


def log_count_ratio(block: Block, labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Return |log of a term's share of the rows of a class over that of all other rows|.

    Parameters
    ----------
    block : Block
        Training rows, each of one text in every part.
    labels : ndarray of int64, shape (n,)
        Class indexes.
    n_classes : int
        Number of classes C.

    Returns
    -------
    ndarray of float64, shape (columns, C)
        1 for dense features.
    """
    one_hot = np.eye(n_classes, dtype=np.float32)[labels]
    ratios = []
    for part in block.terms:
        present = part.texts.copy()
        present.data = np.ones_like(present.data)
        inside = present.T @ (part.pick.T @ one_hot) + _SMOOTHING
        outside = inside.sum(axis=1, keepdims=True) - inside
        ratio = np.log(inside / inside.sum(axis=0)) - np.log(outside / outside.sum(axis=0))
        ratios.append(np.maximum(np.abs(ratio), _LEAST))
    return np.vstack([*ratios, np.ones((block.dense.shape[1], n_classes))]).astype(np.float64)
