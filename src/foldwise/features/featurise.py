"""From cleaned texts to a feature table: the same call for the pipeline and for new rows."""

import numpy as np
from joblib import Parallel, delayed

from foldwise.config.competition import Competition
from foldwise.features.structure import overlap, structure_matrix
from foldwise.features.table import FeatureTable
from foldwise.features.termcounts import TermCounts, count_terms, distinct, frequent


def featurise(
    columns: dict[str, np.ndarray],
    competition: Competition,
    jobs: int = 1,
    hashes: dict[str, np.ndarray] | None = None,
) -> tuple[FeatureTable, list[str]]:
    """Build the feature table of some rows.

    Parameters
    ----------
    columns : dict of str to ndarray of object, shape (n,)
        Cleaned texts by column.
    competition : Competition
        The configuration.
    jobs : int
        Processes that work side by side.
    hashes : dict of str to ndarray of uint64, optional
        The terms to count, by kind; without it all that occur in `features.min_df` rows.

    Returns
    -------
    table : FeatureTable
    notes : list of str
        Fallbacks taken.
    """
    config = competition.features
    texts, index = distinct(columns)
    rows_of_text = sum(np.bincount(place, minlength=len(texts)) for place in index.values())
    counts: dict[str, TermCounts] = {}
    notes: list[str] = []
    words = None
    for kind, span in (("word", config.word_ngrams), ("char", config.char_ngrams)):
        if not span and not (kind == "word" and config.structure):
            continue
        found, singles, new_notes = count_terms(texts, config, kind, jobs)
        words = words or singles
        notes += new_notes
        if span:
            known = hashes.get(kind) if hashes is not None else None
            frequent_terms = frequent(found, rows_of_text, config.min_df) if known is None else None
            counts[kind] = frequent_terms or found.restrict(known)
    if config.structure:
        structure = _describe(texts, jobs)
        shared = overlap(words.matrix, index, competition.pair, competition.data.text, texts)
    else:
        structure = np.zeros((len(texts), 0), np.float32)
        shared = np.zeros((len(next(iter(index.values()))), 0), np.float32)
    return FeatureTable(counts, index, structure, shared), notes


def _describe(texts: np.ndarray, jobs: int) -> np.ndarray:
    parts = np.array_split(texts, min(max(1, len(texts) // 500), jobs))
    blocks = Parallel(n_jobs=len(parts))(delayed(structure_matrix)(list(p)) for p in parts)
    return np.concatenate(blocks)
