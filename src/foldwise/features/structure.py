"""Length, format and overlap features: what a text looks like, in any language.

Counts are stored as log(1 + count), so that the difference of two texts is a log ratio;
shares are stored as they are.
"""

import re

import numpy as np
from scipy import sparse

from foldwise.config.sections import PairConfig
from foldwise.data.cleaning import TURN
from foldwise.features import prompt_kind

_WORD = re.compile(r"\w+")
_SENTENCE_END = re.compile(r"[.!?。！？](?=\s|$)")
_BULLET = re.compile(r"^[ \t]*[-*•·][ \t]+\S", re.MULTILINE)
_NUMBERED = re.compile(r"^[ \t]*\d{1,3}[.)][ \t]+\S", re.MULTILINE)
_HEADING = re.compile(r"^#{1,6}[ \t]+\S", re.MULTILINE)
_TABLE_ROW = re.compile(r"^[ \t]*\|.*\|[ \t]*$", re.MULTILINE)
_NUMBER = re.compile(r"\d+")
_EMOJI = re.compile("[\U0001f300-\U0001faff\u2600-\u27bf]")
_NON_LATIN = re.compile("[\u0370-\u1fff\u2e80-\ud7ff\uf900-\ufaff]")
_REFUSAL = re.compile(
    r"\b(?:i'?m (?:very |really )?sorry|i apologi[sz]e|i (?:can ?not|can['’]?t|won['’]?t|am unable|"
    r"am not able|['’]?m unable|['’]?m not able|do not have|don['’]?t have)|as an ai|"
    r"as a language model|unable to (?:help|assist|provide)|lo siento|no puedo|je suis désolée?|"
    r"je ne peux pas|es tut mir leid|ich kann (?:nicht|leider))\b",
    re.IGNORECASE,
)
_HEDGE = re.compile(
    r"\b(?:maybe|perhaps|might|possibly|probably|i think|i guess|i believe|not sure|it depends|"
    r"however|although|could be|may be)\b",
    re.IGNORECASE,
)
_TERMINAL = tuple(".!?。！？:;)]}\"'`*|»”’…")

NAMES = (
    "chars", "words", "distinct_words", "mean_word_length", "sentences", "words_per_sentence",
    "lines", "paragraphs", "bullets", "numbered", "headings", "bold", "code_fences",
    "inline_code", "table_rows", "links", "questions", "exclamations", "commas", "colons",
    "parentheses", "quotes", "numbers", "digit_share", "capital_share", "mark_share", "emoji",
    "non_ascii_share", "non_latin_share", "latex", "refusals", "hedges", "first_person",
    "ends_open", "empty", "turns", "empty_turns", "last_turn_chars", "last_turn_refusals",
)  # fmt: skip


def describe(text: str) -> list[float]:
    """Return the features `NAMES` of one text."""
    words = _WORD.findall(text)
    n_chars, n_words = len(text), len(words)
    sentences = len(_SENTENCE_END.findall(text))
    turns = text.split(TURN)
    last = turns[-1]
    letters = max(n_chars, 1)
    ascii_only = text.isascii()
    counts = [
        n_chars,
        n_words,
        len(set(words)),
        sum(map(len, words)) / max(n_words, 1),
        sentences,
        n_words / max(sentences, 1),
        text.count("\n"),
        text.count("\n\n"),
        len(_BULLET.findall(text)),
        len(_NUMBERED.findall(text)),
        len(_HEADING.findall(text)),
        text.count("**") // 2,
        text.count("```") // 2,
        text.count("`"),
        len(_TABLE_ROW.findall(text)) if "|" in text else 0,
        text.count("http"),
        text.count("?") + text.count("？"),
        text.count("!") + text.count("！"),
        text.count(",") + text.count("，") + text.count("、"),
        text.count(":"),
        text.count("("),
        text.count('"') + text.count("“"),
        len(_NUMBER.findall(text)),
    ]
    shares = [
        sum(map(str.isdigit, text)) / letters if counts[-1] else 0.0,
        sum(map(str.isupper, text)) / letters,
        1 - (sum(map(len, words)) + text.count(" ")) / letters if text else 0.0,
    ]
    rest = [
        0 if ascii_only else len(_EMOJI.findall(text)),
        0.0 if ascii_only else 1 - len(text.encode("ascii", "ignore")) / letters,
        0.0 if ascii_only else len(_NON_LATIN.findall(text)) / letters,
        text.count("$") // 2 + text.count("\\("),
        len(_REFUSAL.findall(text)),
        len(_HEDGE.findall(text)),
        words.count("I"),
        float(bool(text) and not text.rstrip().endswith(_TERMINAL)),
        float(not text.strip()),
        len(turns),
        sum(not turn.strip() for turn in turns) if len(turns) > 1 else 0,
        len(last),
        len(_REFUSAL.findall(last)) if len(turns) > 1 else 0,
    ]
    return counts + shares + rest


_SHARES = [NAMES.index(name) for name in NAMES if name.endswith("_share")]


def structure_matrix(texts: list[str]) -> np.ndarray:
    """Return the features of texts, float32, shape (n_texts, len(NAMES))."""
    values = np.array([describe(text) for text in texts], dtype=np.float64)
    values = values.reshape(len(texts), len(NAMES))
    logs = np.log1p(values)
    logs[:, _SHARES] = values[:, _SHARES]
    return logs.astype(np.float32)


def overlap_names(pair: PairConfig, columns: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Return the names of the odd and of the even overlap features.

    Odd features change sign when A and B are swapped, even ones stay as they are.
    """
    if pair.enabled:
        odd = ["prompt_covered", "from_prompt"] if pair.context else []
        even = ["answers_alike", "answers_identical", "answers_cosine"]
        return odd, even + [f"mean_{name}" for name in odd] + prompt_kind.names()
    return [], [f"alike_{columns[0]}_{other}" for other in columns[1:]] + prompt_kind.names()


def overlap(
    words: sparse.csr_matrix,
    index: dict[str, np.ndarray],
    pair: PairConfig,
    columns: tuple[str, ...],
    texts: np.ndarray,
) -> np.ndarray:
    """Return the features of a row that need several of its texts, and the kind of its first.

    Parameters
    ----------
    words : csr_matrix, shape (n_texts, n_words)
        Counts of single words.
    index : dict of str to ndarray of int, shape (n,)
        Where the text of each column stands in `words`.
    pair : PairConfig
        Which columns are the prompt and the answers.
    columns : tuple of str
        The text columns.
    texts : ndarray of object, shape (n_texts,)
        The texts; of a pair the context tells the kind, else the first column.

    Returns
    -------
    ndarray of float32, shape (n, k)
        In the order of `overlap_names`.
    """
    present = words.astype(np.float32)
    present.data = np.ones_like(present.data)
    rows = {column: present[index[column]] for column in columns}
    used, place = np.unique(index[pair.context or columns[0]], return_inverse=True)
    lead = prompt_kind.kinds_matrix([texts[i] for i in used])[place]
    if not pair.enabled:
        first = rows[columns[0]]
        parts = [_jaccard(first, rows[other]) for other in columns[1:]]
        return np.hstack([*(part[:, None] for part in parts), lead]).astype(np.float32)
    a, b = rows[pair.first], rows[pair.second]
    identical = (index[pair.first] == index[pair.second]).astype(float)
    odd, mean = [], []
    if pair.context:
        prompt = rows[pair.context]
        for base in ("prompt", "answer"):
            share_a, share_b = (_share(prompt, answer, base) for answer in (a, b))
            odd.append(share_a - share_b)
            mean.append((share_a + share_b) / 2)
    even = [_jaccard(a, b), identical, _cosine(a, b), *mean]
    return np.hstack([np.stack(odd + even, axis=1), lead]).astype(np.float32)


def _common(left: sparse.csr_matrix, right: sparse.csr_matrix) -> np.ndarray:
    return np.asarray(left.multiply(right).sum(axis=1)).ravel()


def _size(rows: sparse.csr_matrix) -> np.ndarray:
    return np.diff(rows.indptr).astype(float)


def _jaccard(left: sparse.csr_matrix, right: sparse.csr_matrix) -> np.ndarray:
    common = _common(left, right)
    return common / np.maximum(_size(left) + _size(right) - common, 1)


def _cosine(left: sparse.csr_matrix, right: sparse.csr_matrix) -> np.ndarray:
    return _common(left, right) / np.maximum(np.sqrt(_size(left) * _size(right)), 1)


def _share(prompt: sparse.csr_matrix, answer: sparse.csr_matrix, base: str) -> np.ndarray:
    whole = prompt if base == "prompt" else answer
    return _common(prompt, answer) / np.maximum(_size(whole), 1)
