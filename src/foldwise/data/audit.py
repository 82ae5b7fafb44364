"""What was found in the data: duplicates, conflicts, balance, lengths, overlap with the test."""

import numpy as np
import pandas as pd

from foldwise.data.audit_record import Intake, TableAudit
from foldwise.data.cleaning import TURN, normalise_column
from foldwise.data.neartwins import twin_families

_QUANTILES = {"min": 0, "5 %": 5, "25 %": 25, "median": 50, "75 %": 75, "95 %": 95, "max": 100}


def audit_table(table: pd.DataFrame, text: list[str], intake: Intake) -> TableAudit:
    """Describe one canonical table.

    Parameters
    ----------
    table : DataFrame
        `id`, text columns, `group` and, in training, `label`.
    text : list of str
        The text columns.
    intake : Intake
        What came of reading it.
    """
    exact = pd.Series(pd.factorize(pd.MultiIndex.from_frame(table[text]))[0])
    keys = [
        " | ".join(row) for row in zip(*(normalise_column(table[c]) for c in text), strict=True)
    ]
    alike = pd.Series(pd.factorize(np.array(keys, dtype=object))[0])
    sizes = table["group"].value_counts()
    facts: dict[str, object] = {
        "exact_duplicates": int(exact.duplicated().sum()),
        "same_but_for_case_and_punctuation": int(
            alike.duplicated().sum() - exact.duplicated().sum()
        ),
        "near_duplicates": _near_duplicates(keys),
        "groups": len(sizes),
        "largest_group": int(sizes.iloc[0]),
        "empty_texts": {column: int((table[column] == "").sum()) for column in text},
        "lengths": {column: _lengths(table[column]) for column in text},
    }
    if "label" in table:
        labels = pd.Series(pd.factorize(table["label"])[0])
        facts["conflicting_labels"] = int((labels.groupby(alike).nunique() > 1).sum())
        facts["class_balance"] = {str(k): int(v) for k, v in table["label"].value_counts().items()}
    return TableAudit(**dict(intake), **facts)


def _lengths(texts: pd.Series) -> dict[str, dict[str, float]]:
    chars = texts.str.len().to_numpy(dtype=float)
    words = np.array([len(text.split()) for text in texts], dtype=float)
    turns = np.array([text.count(TURN) + 1 for text in texts], dtype=float)
    facts = {"characters": _quantiles(chars), "words": _quantiles(words)}
    if turns.max() > 1:
        facts["turns"] = _quantiles(turns)
    return facts


def _quantiles(values: np.ndarray) -> dict[str, float]:
    return {name: float(np.percentile(values, q)) for name, q in _QUANTILES.items()}


def _near_duplicates(keys: list[str]) -> int:
    """Count rows whose text is nearly that of an earlier row, but not the same."""
    exact, near = twin_families(keys)
    first = np.unique(near, return_index=True)[1]
    return int((exact != exact[first][near]).sum())
