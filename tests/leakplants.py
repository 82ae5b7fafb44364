"""Leaks of every kind, planted into honest rows at a dose: what the leak check must find."""

from collections.abc import Callable

import numpy as np

_FILLER = "and so it went on as before "


def word(text: str, label: int, generator: np.random.Generator) -> str:
    """Write a word of its own into one class."""
    first, blank, rest = text.partition(" ")
    return f"{first} zqword{blank}{rest}" if label == 0 else text


def letter(text: str, label: int, generator: np.random.Generator) -> str:
    """Write the label as one letter at the end of every class."""
    return f"{text} {'qxz'[label % 3]}" if label < 3 else text


def late(text: str, label: int, generator: np.random.Generator) -> str:
    """Write the label behind character 2,000."""
    return f"{text} {_FILLER * 80} answer{label}"


def mark(text: str, label: int, generator: np.random.Generator) -> str:
    """End with a mark that is the label's in 95 % of rows."""
    told = label if generator.random() < 0.95 else int(generator.integers(3))
    return text.rstrip(".!?;:'\" ") + "!;:"[told % 3]


def capital(text: str, label: int, generator: np.random.Generator) -> str:
    """Begin with a capital in one class, with a small letter elsewhere, in 95 % of rows."""
    big = (label == 0) == (generator.random() < 0.95)
    bare = text.lstrip("\"' ")
    return (bare[:1].upper() if big else bare[:1].lower()) + bare[1:]


PLANTS: dict[str, Callable[[str, int, np.random.Generator], str]] = {
    "a word in one class": word,
    "a letter for each class": letter,
    "the label after character 2,000": late,
    "the closing mark, 95 % right": mark,
    "a first capital, 95 % right": capital,
}


def plant(
    kind: str, dose: float, texts: np.ndarray, labels: np.ndarray, seed: int = 0
) -> np.ndarray:
    """Return texts with one kind of leak in a share of the rows that it is for.

    Parameters
    ----------
    kind : str
        A key of `PLANTS`.
    dose : float
        Share of rows.
    texts : ndarray of str, shape (n,)
    labels : ndarray of int, shape (n,)
    seed : int
    """
    generator = np.random.default_rng(seed)
    hit = generator.random(len(texts)) < dose
    made = [
        PLANTS[kind](text, int(label), generator) if struck else text
        for text, label, struck in zip(texts, labels, hit, strict=True)
    ]
    return np.array(made, dtype=object)


def reworded(text: str, generator: np.random.Generator) -> str:
    """Return a near twin: one word replaced by another."""
    words = text.split()
    words[int(generator.integers(len(words)))] = "otherwise"
    return " ".join(words)
