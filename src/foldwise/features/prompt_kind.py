"""What a prompt asks for and in which script, told from its text alone."""

import re

import numpy as np

_HEAD = 4000  # characters that decide about script and kind
_SCRIPTS = {
    "Latin": "[A-Za-z\u00c0-\u024f]",
    "Cyrillic or Greek": "[\u0370-\u052f]",
    "Hebrew or Arabic": "[\u0590-\u08ff]",
    "Indic or Thai": "[\u0900-\u0eff]",
    "Japanese": "[\u3040-\u30ff]",
    "Chinese": "[\u3400-\u9fff]",
    "Korean": "[\uac00-\ud7af]",
}
# The first that matches decides.
_KINDS = {
    "code": r"```|\bdef \w+\(|#include|\b(?:python|javascript|typescript|java|sql|regex|html|css|"
    r"bash|c\+\+|rust|golang|code|function|script|api|compiler?)\b",
    "maths": r"\\frac|\\sum|\b(?:equation|integral|derivative|probability|theorem|solve for|"
    r"calculate|how many|percent)\b|\d\s*[-+*/^=]\s*\d",
    "translation": r"\btranslat\w+|\b(?:in|into|to) (?:french|german|spanish|chinese|japanese|"
    r"russian|italian|portuguese|korean|arabic|hindi|latin)\b",
    "role play": r"\b(?:act as|pretend|role[- ]?play|you are (?:a|an|the)|imagine (?:you|that))\b",
    "creative writing": r"\b(?:story|poem|haiku|song|lyrics|essay|novel|play|joke|limerick)\b",
    "question": r"\?|^\s*(?:what|why|how|who|when|where|which|is|are|can|do|does|should)\b",
}
_KIND = re.compile("|".join(f"(?P<k{i}>{p})" for i, p in enumerate(_KINDS.values())), re.I | re.M)
_SCRIPT_PATTERNS = {name: re.compile(pattern) for name, pattern in _SCRIPTS.items()}

KINDS = (*_KINDS, "other")
SCRIPTS = (*_SCRIPTS, "no letters")


def kind(text: str) -> str:
    """Return what a prompt asks for, by the words in it."""
    match = _KIND.search(text[:_HEAD])
    if match is None:
        return "other"
    # Alternatives match at the first place in the text; the order of kinds decides instead.
    found = {m.lastgroup for m in _KIND.finditer(text[:_HEAD])}
    return next(name for i, name in enumerate(_KINDS) if f"k{i}" in found)


def script(text: str) -> str:
    """Return the writing system that most letters of a text belong to."""
    head = text[:_HEAD]
    if head.isascii():
        return "Latin" if any(ch.isalpha() for ch in head) else "no letters"
    counts = {name: len(pattern.findall(head)) for name, pattern in _SCRIPT_PATTERNS.items()}
    # Japanese is written with Chinese characters too.
    if counts["Japanese"]:
        counts["Japanese"] += counts.pop("Chinese")
    name = max(counts, key=counts.__getitem__)
    return name if counts[name] else "no letters"


def kinds_matrix(texts: list[str]) -> np.ndarray:
    """Return the kind and the script of texts as 0 and 1, float32, shape (n, columns).

    The columns are those of `names`.
    """
    found = np.zeros((len(texts), len(KINDS) + len(SCRIPTS)), dtype=np.float32)
    for row, text in enumerate(texts):
        found[row, KINDS.index(kind(text))] = 1
        found[row, len(KINDS) + SCRIPTS.index(script(text))] = 1
    return found


def names() -> list[str]:
    """Return the names of the columns of `kinds_matrix`."""
    return [f"kind_{name}" for name in KINDS] + [f"script_{name}" for name in SCRIPTS]
