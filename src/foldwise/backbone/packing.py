"""Texts become token sequences of a bounded length.

A sequence holds one or several parts (a prompt, an answer): `[CLS] prompt [SEP] answer [SEP]`.
Each part has a share of the tokens; what a short part leaves unused goes to the others. A part
that is still too long keeps its last turns, and of a turn that does not fit its head and tail.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from foldwise.backbone.token_cache import TokenCache
from foldwise.data.cleaning import TURN
from foldwise.errors import require

_CHARS_PER_TOKEN = 16  # far above any real text: longer middles cannot be reached by a budget
_CHUNK = 4096


def share_out(lengths: Sequence[int], shares: Sequence[float], total: int) -> list[int]:
    """Divide `total` tokens among parts in proportion to `shares`.

    A part that needs less than its share gets what it needs, and the rest is divided again
    among the others, so tokens stay unused only when every part is whole.

    Parameters
    ----------
    lengths : sequence of int
        Tokens of each part.
    shares : sequence of float
        Positive claim of each part; only their ratios count.
    total : int
        Tokens to give.

    Returns
    -------
    list of int
        Tokens of each part: at most its length, together at most `total`.
    """
    budgets, waiting, left = [0] * len(lengths), list(range(len(lengths))), total
    while waiting:
        claim = sum(shares[i] for i in waiting)
        whole = [i for i in waiting if lengths[i] <= left * shares[i] / claim]
        if not whole:
            for i in waiting:
                budgets[i] = int(left * shares[i] / claim)
            # Rounding down leaves fewer tokens than parts; each of these is still too short.
            for i in waiting[: left - sum(budgets[i] for i in waiting)]:
                budgets[i] += 1
            break
        for i in whole:
            budgets[i] = lengths[i]
            left -= lengths[i]
        waiting = [i for i in waiting if i not in whole]
    return budgets


def head_and_tail(tokens: np.ndarray, budget: int) -> np.ndarray:
    """Return `tokens`, or as many from both ends as the budget allows, the odd one in front."""
    if len(tokens) <= budget:
        return tokens
    tail = budget // 2
    return np.concatenate([tokens[: budget - tail], tokens[len(tokens) - tail :]])


def fit_turns(turns: Sequence[np.ndarray], joint: np.ndarray, budget: int) -> np.ndarray:
    """Join the turns of a text within a budget; the last turns are kept first.

    Parameters
    ----------
    turns : sequence of ndarray of int32
        Tokens of each turn.
    joint : ndarray of int32
        Tokens between two turns.
    budget : int
        Most tokens of the result.
    """
    kept: list[np.ndarray] = []
    for turn in reversed(turns):
        room = budget - (len(joint) if kept else 0)
        if room < min(1, len(turn)) or room < 0:
            break
        if kept:
            kept.append(joint)
        kept.append(head_and_tail(turn, room))
        budget = room - len(kept[-1])
        if len(kept[-1]) < len(turn):
            break
    return np.concatenate(kept[::-1]) if kept else joint[:0]


@dataclass(frozen=True)
class Sequences:
    """Token sequences of some rows.

    Attributes
    ----------
    ids : list of ndarray of int32
        Token ids with all special tokens.
    second : ndarray of int64, shape (n,)
        Where the last part of several begins: token type 1 from there on, for encoders that
        have token types. The length of the sequence where there is one part.
    """

    ids: list[np.ndarray]
    second: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, index: np.ndarray) -> "Sequences":
        """Return the rows at the positions `index`, in that order."""
        return Sequences([self.ids[i] for i in index], self.second[index])

    @property
    def lengths(self) -> np.ndarray:
        """Number of tokens, int64, shape (n,)."""
        return np.fromiter(map(len, self.ids), dtype=np.int64, count=len(self.ids))


class Packer:
    """Makes sequences with one tokenizer; tokenises each distinct turn of a text once.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
        Tokenizer of the encoder.
    max_length : int
        Most tokens of a sequence, special tokens included.
    cache : TokenCache, optional
        Where tokens are looked up and stored on disk.
    """

    def __init__(self, tokenizer: Any, max_length: int, cache: TokenCache | None = None) -> None:
        self.tokenizer, self.max_length, self.cache = tokenizer, max_length, cache
        self.prefix, self.middle, self.suffix = _frame(tokenizer)
        # A word-piece vocabulary has no newline; the separator then stands between turns.
        newline = np.array(tokenizer("\n", add_special_tokens=False)["input_ids"], np.int32)
        self.joint = newline if len(newline) else self.middle[:1]
        self._tokens: dict[str, np.ndarray] = {}

    def pack(self, parts: Sequence[np.ndarray], shares: Sequence[float]) -> Sequences:
        """Make one sequence a row.

        Parameters
        ----------
        parts : sequence of ndarray of object, shape (n,)
            The texts of each part, in the order of the sequence.
        shares : sequence of float
            Claim of each part on the tokens.
        """
        frame = len(self.prefix) + len(self.middle) * (len(parts) - 1) + len(self.suffix)
        room = self.max_length - frame
        require(
            room >= 2 * len(parts),
            f"max_length = {self.max_length} is too short for {len(parts)} texts in a sequence",
        )
        self._tokenise(parts)
        ids, second = [], np.zeros(len(parts[0]), dtype=np.int64)
        for row, texts in enumerate(zip(*parts, strict=True)):
            turns = [[self._tokens[turn] for turn in text.split(TURN)] for text in texts]
            lengths = [sum(map(len, t)) + len(self.joint) * (len(t) - 1) for t in turns]
            pieces = [self.prefix]
            budgets = share_out(lengths, shares, room)
            for part, budget in zip(turns, budgets, strict=True):
                pieces += [fit_turns(part, self.joint, budget), self.middle]
            pieces[-1] = self.suffix
            sequence = np.concatenate(pieces)
            # A tokenizer without special tokens turns an empty text into nothing at all.
            ids.append(sequence if len(sequence) else self.middle[:1])
            last = len(pieces[-2]) + len(self.suffix) if len(parts) > 1 else 0
            second[row] = len(ids[-1]) - last
        return Sequences(ids, second)

    def forget(self) -> None:
        """Drop the tokens of all texts seen so far; those on disk stay."""
        self._tokens.clear()

    def _tokenise(self, parts: Sequence[np.ndarray]) -> None:
        """Learn the tokens of the turns that are new, cut to what a sequence could ever hold."""
        turns = dict.fromkeys(t for texts in parts for text in texts for t in text.split(TURN))
        new = [turn for turn in turns if turn not in self._tokens]
        if self.cache is None or not new:
            self._tokens |= self._made(new)
            return
        with self.cache.locked():
            self._tokens |= self.cache.read(new)
            if made := self._made([turn for turn in new if turn not in self._tokens]):
                self._tokens |= made
                self.cache.add(made)

    def _made(self, turns: Sequence[str]) -> dict[str, np.ndarray]:
        """Tokenise; the tokenizer spreads a chunk over the cores."""
        made = {}
        for start in range(0, len(turns), _CHUNK):
            chunk = turns[start : start + _CHUNK]
            tokens = self.tokenizer(
                [self._clip(turn) for turn in chunk],
                add_special_tokens=False,
                return_attention_mask=False,
                return_token_type_ids=False,
                verbose=False,
            )["input_ids"]
            for turn, ids in zip(chunk, tokens, strict=True):
                made[turn] = head_and_tail(np.array(ids, dtype=np.int32), self.max_length)
        return made

    def _clip(self, text: str) -> str:
        half = _CHARS_PER_TOKEN * self.max_length // 2
        return text if len(text) <= 2 * half else f"{text[:half]} {text[-half:]}"


def _frame(tokenizer: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the special tokens before, between and after the parts of a sequence.

    They are read off a real pair, so that `[CLS] a [SEP] b [SEP]`, `<s> a </s></s> b </s>` and
    tokenizers without special tokens all come out as their encoder saw them in pre-training.
    """
    first, second = (
        tokenizer(word, add_special_tokens=False)["input_ids"] for word in ("one", "two")
    )
    pair = tokenizer("one", "two")["input_ids"]
    start = _find(first, pair, 0)
    end = _find(second, pair, start + len(first))
    prefix, middle = pair[:start], pair[start + len(first) : end]
    suffix = pair[end + len(second) :]
    if not middle:
        # A decoder's tokenizer glues a pair together; its end-of-text token tells parts apart.
        middle = [tokenizer.sep_token_id or tokenizer.eos_token_id or 0]
    return tuple(np.array(ids, dtype=np.int32) for ids in (prefix, middle, suffix))


def _find(needle: list[int], hay: list[int], start: int) -> int:
    for at in range(start, len(hay) - len(needle) + 1):
        if hay[at : at + len(needle)] == needle:
            return at
    raise ValueError("the tokenizer changes a text when it stands in a pair")
