"""Random changes to training texts, drawn anew each epoch: turns, words and tokens.

Easy data augmentation (Wei and Zou, 2019) on sequences that are packed already: words are
deleted or trade places with their neighbour, tokens are hidden behind the mask token, early
turns of a conversation are left out. Special tokens are never touched. Only the training fold
comes here; a validation or test row is always read as it is.
"""

from typing import Any

import numpy as np

from foldwise.backbone.packing import Sequences
from foldwise.config.sections import BertConfig
from foldwise.data.cleaning import TURN
from foldwise.errors import require

_WORD_STARTS = ("▁", "Ġ")  # how sentence pieces and byte pairs mark the space before a word


class Augment:
    """Draws changed copies of training rows.

    Parameters
    ----------
    config : foldwise.config.sections.BertConfig
        `turn_dropping`, `word_deletion`, `word_swap` and `token_dropout` are probabilities.
    tokenizer : PreTrainedTokenizerBase
        Says which tokens are special and which begin a word.
    """

    def __init__(self, config: BertConfig, tokenizer: Any) -> None:
        self.turn_dropping, self.deletion = config.turn_dropping, config.word_deletion
        self.swap, self.dropout = config.word_swap, config.token_dropout
        tokens = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
        if any(token.startswith("##") for token in tokens):
            self.begins = np.array([not token.startswith("##") for token in tokens])
        else:
            self.begins = np.array([token.startswith(_WORD_STARTS) for token in tokens])
        self.special = np.zeros(len(tokens), bool)
        self.special[tokenizer.all_special_ids] = True
        mask = tokenizer.mask_token_id
        self.hidden = tokenizer.unk_token_id if mask is None else mask
        require(
            not self.dropout or self.hidden is not None,
            "bert.token_dropout: this tokenizer has no mask and no unknown token; set it to 0",
        )

    @property
    def active(self) -> bool:
        """Whether anything is to be changed."""
        return any((self.turn_dropping, self.deletion, self.swap, self.dropout))

    def turns(
        self, texts: dict[str, np.ndarray], generator: np.random.Generator
    ) -> dict[str, np.ndarray]:
        """Leave out turns, never the last one, and the same ones in every column of a row.

        Parameters
        ----------
        texts : dict of str to ndarray of object, shape (n,)
            Turns are joined by `foldwise.data.cleaning.TURN`. A column with fewer turns than the
            longest of its row (a prompt without a reply) stays whole.
        generator : numpy.random.Generator
        """
        if not self.turn_dropping:
            return texts
        changed = {name: values.copy() for name, values in texts.items()}
        for row in range(len(next(iter(texts.values())))):
            split = {name: values[row].split(TURN) for name, values in texts.items()}
            n = max(map(len, split.values()))
            keep = generator.random(n) >= self.turn_dropping
            keep[-1] = True
            for name, parts in split.items():
                if len(parts) == n:
                    kept = (part for part, kept in zip(parts, keep, strict=True) if kept)
                    changed[name][row] = TURN.join(kept)
        return changed

    def words(self, sequences: Sequences, generator: np.random.Generator) -> Sequences:
        """Delete and swap words and hide tokens."""
        if not (self.deletion or self.swap or self.dropout):
            return sequences
        changed, second = [], sequences.second.copy()
        for row, ids in enumerate(sequences.ids):
            kept = self._kept(ids, generator)
            second[row] = kept[: second[row]].sum()
            ids = self._swapped(ids[kept], generator)
            hide = (generator.random(len(ids)) < self.dropout) & ~self.special[ids]
            changed.append(np.where(hide, self.hidden, ids).astype(np.int32) if hide.any() else ids)
        return Sequences(changed, second)

    def _words(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the word of each token, and whether a word is a special token."""
        special = self.special[ids]
        starts = self.begins[ids] | special
        starts[1:] |= special[:-1]
        starts[:1] = True
        return np.cumsum(starts) - 1, special[starts]

    def _kept(self, ids: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        word, special = self._words(ids)
        kept = special | (generator.random(len(special)) >= self.deletion)
        # A row must keep something to learn from.
        return kept[word] if (kept & ~special).any() else np.ones(len(ids), bool)

    def _swapped(self, ids: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        word, special = self._words(ids)
        free = ~special
        chosen = (generator.random(len(special) - 1) < self.swap) & free[1:] & free[:-1]
        if not chosen.any():
            return ids
        place, last = np.arange(len(special)), -2
        for i in np.flatnonzero(chosen):
            if i > last + 1:
                place[[i, i + 1]], last = place[[i + 1, i]], i
        return ids[np.argsort(place[word], kind="stable")]
