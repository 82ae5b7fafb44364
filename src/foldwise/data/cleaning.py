"""Cleaning of one text, in time linear in its length, and the key that finds its twins."""

import html
import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np
import pandas as pd

from foldwise.config.sections import CleanConfig

TURN = "\x1e"  # ASCII "record separator": joins the turns of a conversation in one text

# Everything that prints nothing, except tab and newline; the joiners that hold emoji and
# Indic or Persian letters together stay.
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\ufeff]"
)
_SURROGATE = re.compile("[\ud800-\udfff]")
# Bounded repetition keeps a text of a million "<" linear; no real tag is longer.
_TAG = re.compile(r"<(?:/?[A-Za-z][^<>]{0,2000}|!--[^<>]{0,2000}--)>")
_BREAK = re.compile(r"<(?:br|/p|/div|/li|/tr|/h[1-6])\s{0,10}/?>", re.IGNORECASE)
_URL = re.compile(r"\b(?:https?://|www\.)[^\s<>\"']+", re.IGNORECASE)
# A lone space stays as it is: most blanks are one, and each replacement takes time.
_BLANKS = re.compile(r"[^\S\n]{2,}|[^\S\n ]")
_NEWLINES = re.compile(r" ?\n ?(?:\n ?)+")
_LINE_EDGES = re.compile(r" ?\n ?")
_ALPHANUMERIC = re.compile(r"[^\W_]+")
# No code point has more than seven digits; Python refuses to read a number of thousands of them.
_LONG_REFERENCE = re.compile(r"&#(?:0{0,64}[1-9][0-9]{7,}|[0-9]{72,}|[xX][0-9A-Fa-f]{72,});?")
_MOST_MARKS = 30  # on one letter, as in Unicode's stream-safe format (UAX 15, 13)
_NOT_ASCII_RUN = re.compile(rf"[^\x00-\x7f]{{{_MOST_MARKS + 1}}}")


def clean_text(text: str, config: CleanConfig) -> str:
    """Return the text every model sees; case and punctuation are untouched.

    Parameters
    ----------
    text : str
        Raw text of one turn.
    config : CleanConfig
        What to do with Unicode forms, HTML and URLs.

    Returns
    -------
    str
        The same for a text that is clean already.
    """
    if not text.isascii():
        text = _SURROGATE.sub("\ufffd", text)
    if config.html != "keep" and "&" in text:
        text = html.unescape(_LONG_REFERENCE.sub("\ufffd", text))
        text = _SURROGATE.sub("\ufffd", text)
    if config.html == "strip" and "<" in text:
        text = _TAG.sub(" ", _BREAK.sub("\n", text))
    if config.unicode != "none" and not text.isascii():
        # Again afterwards: one character may come apart into several marks.
        text = _bounded_marks(unicodedata.normalize(config.unicode, _bounded_marks(text)))
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = _CONTROL.sub("", text)
    if config.urls != "keep" and ("://" in text or "www." in text.lower()):
        text = _URL.sub("URL" if config.urls == "token" else " ", text)
    text = _BLANKS.sub(" ", text)
    if "\n" in text:
        text = _LINE_EDGES.sub("\n", _NEWLINES.sub("\n\n", text))
    return text.strip()


def clean_turns(turns: Iterable[str | None], config: CleanConfig) -> str:
    """Clean each turn and join them; a missing turn becomes an empty one."""
    return TURN.join(clean_text(turn or "", config) for turn in turns)


def clean_column(values: np.ndarray, config: CleanConfig) -> np.ndarray:
    """Clean a column of texts or of lists of turns, each distinct text once.

    Parameters
    ----------
    values : ndarray of object, shape (n,)
        Each a str or a tuple of str and None.

    Returns
    -------
    ndarray of object, shape (n,)
        Strings.
    """
    codes, distinct = pd.factorize(values)
    cleaned = [
        clean_text(value, config) if isinstance(value, str) else clean_turns(value, config)
        for value in distinct
    ]
    return np.array(cleaned, dtype=object)[codes] if len(cleaned) else values


def normalise(text: str) -> str:
    """Return the key under which texts count as the same.

    Letters and digits in casefolded NFKC form with single spaces between; a text without any
    (only emoji or punctuation) is its own key.
    """
    plain = text if text.isascii() else unicodedata.normalize("NFKC", _bounded_marks(text))
    return " ".join(_ALPHANUMERIC.findall(plain.casefold())) or text.strip()


def normalise_column(values: Sequence[str] | np.ndarray) -> np.ndarray:
    """Return the keys of texts, object, shape (n,), each distinct text looked at once."""
    codes, distinct = pd.factorize(np.asarray(values, dtype=object))
    return np.array([*map(normalise, distinct), ""], dtype=object)[codes]


def _bounded_marks(text: str) -> str:
    """Drop the marks of a letter beyond 30: sorting them takes time quadratic in their number."""
    # Marks are not ASCII: without so long a run there is nothing to drop.
    return _marks().sub(r"\1", text) if _NOT_ASCII_RUN.search(text) else text


@lru_cache
def _marks() -> re.Pattern[str]:
    # All marks lie below U+20000; a few are not marks themselves but decompose into marks alone.
    plain = ((chr(code), unicodedata.normalize("NFKD", chr(code))) for code in range(768, 0x20000))
    marks = "".join(char for char, parts in plain if all(map(unicodedata.combining, parts)))
    return re.compile(f"([{marks}]{{{_MOST_MARKS}}})[{marks}]+")
