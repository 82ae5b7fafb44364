"""Rows worth reading: the surest hits, the surest misses, and those the models cannot agree on."""

import re
import unicodedata

import numpy as np

from foldwise.config.record import Record
from foldwise.data.cleaning import TURN
from foldwise.report.evidence import Evidence

_PER_KIND = 3
_CLASSES = 6  # with more classes, those with the lowest recall
_CHARACTERS = 600
_INVISIBLE = re.compile("[\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]")


class Example(Record):
    """A row, and what every model said of it."""

    id: str
    texts: dict[str, str]  # excerpts by column
    guess: str  # of the focus model
    confidence: float
    of_truth: dict[str, float]  # probability of the true class, by model


class ClassExamples(Record):
    """Rows of one class."""

    right: list[Example]  # surest first
    wrong: list[Example]
    contested: list[Example]


def examples(evidence: Evidence, texts: dict[str, np.ndarray]) -> dict[str, ClassExamples]:
    """Return the rows worth reading as `describe_rows` does; texts as there."""
    others = list(_singles(evidence).values())
    chosen = choose_rows(evidence.labels, evidence.probabilities[evidence.focus], others)
    return describe_rows(chosen, texts, evidence)


def choose_rows(
    labels: np.ndarray, probabilities: np.ndarray, others: list[np.ndarray]
) -> dict[int, dict[str, list[int]]]:
    """Return row positions for every class that is shown.

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)
    probabilities : ndarray of float, shape (n, C)
        Of the model whose examples are shown.
    others : list of ndarray, shape (n, C)
        Of the models whose disagreement makes a row contested; with fewer than two of them the
        rows whose two likeliest classes are closest count as contested.

    Returns
    -------
    dict of int to dict
        By class: "right", "wrong" (surest first) and "contested" rows.
    """
    n_classes = probabilities.shape[1]
    guess, sure = probabilities.argmax(axis=1), probabilities.max(axis=1)
    if len(others) > 1:
        strife = np.stack(others).std(axis=0).sum(axis=1)
    else:
        two = np.sort(probabilities, axis=1)[:, -2:]
        strife = two[:, 0] - two[:, 1]
    shown = range(n_classes)
    if n_classes > _CLASSES:
        counts = np.bincount(labels, minlength=n_classes)
        recall = np.bincount(labels, guess == labels, n_classes) / np.maximum(counts, 1)
        shown = np.sort(np.argsort(recall, kind="stable")[:_CLASSES]).tolist()
    return {
        k: {
            "right": _top(sure, (labels == k) & (guess == k)),
            "wrong": _top(sure, (labels == k) & (guess != k)),
            "contested": _top(strife, labels == k),
        }
        for k in shown
    }


def describe_rows(
    chosen: dict[int, dict[str, list[int]]],
    texts: dict[str, np.ndarray],
    evidence: Evidence,
) -> dict[str, ClassExamples]:
    """Return the chosen rows by class name: id, excerpts, and what every model said.

    Parameters
    ----------
    chosen : dict of int to dict
        As `choose_rows` returns it.
    texts : dict of str to ndarray of str, shape (n,)
        By text column.
    evidence : Evidence
        Its focus is the model whose guess is shown.
    """
    classes, own = evidence.classes, evidence.probabilities[evidence.focus]
    said = {evidence.focus: own} | _singles(evidence)
    return {
        classes[k]: ClassExamples(
            **{
                kind: [
                    Example(
                        id=str(evidence.ids[row]),
                        texts={name: excerpt(column[row]) for name, column in texts.items()},
                        guess=classes[int(own[row].argmax())],
                        confidence=own[row].max(),
                        of_truth={name: p[row, k] for name, p in said.items()},
                    )
                    for row in rows
                ]
                for kind, rows in kinds.items()
            }
        )
        for k, kinds in chosen.items()
    }


def excerpt(text: str, limit: int = _CHARACTERS) -> str:
    """Return a text that fits: head and tail cut between words, nothing that prints nothing.

    Marks that turn the direction of writing go, so that a row cannot rewrite the page around it;
    turns of a conversation begin on a line of their own.
    """
    turns = text.count(TURN)
    budget = limit + 40 * turns
    head, tail = text, ""
    if len(text) > budget:
        head, tail = text[: budget * 2 // 3], text[-budget // 3 :]
        # A word of reasonable length is not cut; a wall of text is.
        head = re.sub(r"\S{1,30}$", "", head) or head
        tail = re.sub(r"^\S{1,30}", "", tail) or tail
        left = len(text) - len(head) - len(tail)
        head, tail = head.rstrip(), f" […{left:,} characters…] {tail.lstrip()}"
    shown = _INVISIBLE.sub("", (head + tail)).replace(TURN, "\n— next turn —\n")
    return "".join(_visible(ch) for ch in shown)


def _singles(evidence: Evidence) -> dict[str, np.ndarray]:
    """Return the probabilities of the models that look at texts and are no blend."""
    return {m: p for m, p in evidence.probabilities.items() if m not in ("prior", "ensemble")}


def _visible(character: str) -> str:
    if character in "\n\t":
        return character
    return "\ufffd" if unicodedata.category(character) in ("Cc", "Cs", "Cn") else character


def _top(score: np.ndarray, mask: np.ndarray) -> list[int]:
    rows = np.flatnonzero(mask)
    return rows[np.argsort(-score[rows], kind="stable")[:_PER_KIND]].tolist()
