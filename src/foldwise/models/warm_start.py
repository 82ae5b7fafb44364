"""Take a fitted linear model from the terms of one design to those of another.

A fit on all rows of a training fold begins at the solution of the part of them on which C was
chosen: the same optimum, in about a third of the iterations.
"""

from collections.abc import Sequence

import numpy as np

from foldwise.features.tfidf import Design, Field
from foldwise.models.linear_fit import LinearWeights


def warm_start(weights: LinearWeights, source: Design, target: Design) -> LinearWeights:
    """Return weights for the columns of another design of the same competition.

    Parameters
    ----------
    weights : LinearWeights
        A solution on the columns of `source`.
    source, target : Design
        Designs that differ in rows alone, and so in terms, IDF and scales.

    Returns
    -------
    LinearWeights
        Terms that both designs know, and the dense columns, keep their weights; others get 0.
    """
    # Where a field covers both answers of a pair, it stands in the odd block too.
    paired = list(zip(source.fields, target.fields, strict=True))
    odd = [(a, b) for a, b in paired if len(a.columns) == 2]
    return LinearWeights(_moved(weights.odd, odd), _moved(weights.even, paired), weights.bias)


def _moved(values: np.ndarray, fields: Sequence[tuple[Field, Field]]) -> np.ndarray:
    parts, first = [], 0
    for source, target in fields:
        own = np.zeros((len(target.hashes), *values.shape[1:]), values.dtype)
        _, there, here = np.intersect1d(
            source.hashes, target.hashes, assume_unique=True, return_indices=True
        )
        own[here] = values[first : first + len(source.hashes)][there]
        parts.append(own)
        first += len(source.hashes)
    return np.concatenate([*parts, values[first:]])
