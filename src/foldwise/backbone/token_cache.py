"""Tokens of texts on disk: tokenised once, read by all folds, epochs and seeds.

The file's name is a hash of the tokenizer, the length limit and the code that tokenises; inside,
each turn of a text is found by the hash of its characters.
"""

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from foldwise.files import atomic, exclusive
from foldwise.hashing import code_hash, content_hash

_DIGEST = 16


class TokenCache:
    """The stored tokens of one tokenizer at one length limit.

    Parameters
    ----------
    folder : Path
        Where the file lies; made when something is stored.
    tokenizer : PreTrainedTokenizerBase
    max_length : int
        Texts are stored cut to what a sequence of this length could hold.
    """

    def __init__(self, folder: Path, tokenizer: Any, max_length: int) -> None:
        key = content_hash(
            fingerprint(tokenizer), max_length, code_hash("foldwise.backbone.packing")
        )
        self.path = folder / f"tokens-{key[:16]}.safetensors"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes away, so that they wait for tokens rather than make them too."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(self.path.with_suffix(".lock"), wait=True):
            yield

    def read(self, texts: Iterable[str]) -> dict[str, np.ndarray]:
        """Return the tokens, int32, of those texts that are stored."""
        table = self._load()
        if table is None:
            return {}
        digests, offsets, tokens = table
        rows = {digest.tobytes(): i for i, digest in enumerate(digests)}
        found = {}
        for text in texts:
            if (i := rows.get(_digest(text))) is not None:
                found[text] = tokens[offsets[i] : offsets[i + 1]]
        return found

    def add(self, new: dict[str, np.ndarray]) -> None:
        """Store the tokens of more texts beside those that are there."""
        digests = np.frombuffer(b"".join(map(_digest, new)), np.uint8).reshape(-1, _DIGEST)
        lengths = np.fromiter(map(len, new.values()), np.int64, len(new))
        tokens = np.concatenate(list(new.values()))
        if (old := self._load()) is not None:
            digests = np.concatenate([old[0], digests])
            lengths = np.concatenate([np.diff(old[1]), lengths])
            tokens = np.concatenate([old[2], tokens])
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        with atomic(self.path) as partial:
            save_file({"digests": digests, "offsets": offsets, "tokens": tokens}, partial)

    def _load(self) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        # A file that is broken off is as good as none: the texts are tokenised again.
        with contextlib.suppress(OSError, SafetensorError, KeyError):
            table = load_file(self.path)
            return table["digests"], table["offsets"], table["tokens"]
        return None


def fingerprint(tokenizer: Any) -> str:
    """Return a hash of all that decides about a tokenizer's output."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return content_hash(type(tokenizer).__name__, tokenizer.get_vocab(), tokenizer.init_kwargs)
    rules = json.loads(backend.to_str())
    # A call changes these two, and `foldwise.backbone.packing` uses neither.
    return content_hash({k: v for k, v in rules.items() if k not in ("truncation", "padding")})


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_DIGEST).digest()
