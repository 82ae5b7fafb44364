"""The table of features that the models slice, stored once for each distinct text."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy import sparse

from foldwise.features.termcounts import TermCounts


@dataclass(frozen=True)
class FeatureTable:
    """Features of rows, stored once for each distinct text.

    Attributes
    ----------
    counts : dict of str to TermCounts
        By kind of term, "word" or "char"; one matrix row for each distinct text.
    index : dict of str to ndarray of int32, shape (n,)
        For each text column, the matrix row that holds the text of each table row.
    structure : ndarray of float32, shape (n_texts, d)
        Length and format features of each distinct text (`foldwise.features.structure.NAMES`).
    overlap : ndarray of float32, shape (n, k)
        Features of a table row that need several of its texts
        (`foldwise.features.structure.overlap`).
    """

    counts: dict[str, TermCounts]
    index: dict[str, np.ndarray]
    structure: np.ndarray
    overlap: np.ndarray

    def __len__(self) -> int:
        return len(self.overlap)

    def take(self, rows: np.ndarray) -> "FeatureTable":
        """Return the table of the rows at positions `rows`; the texts are shared, not copied."""
        index = {column: texts[rows] for column, texts in self.index.items()}
        return replace(self, index=index, overlap=self.overlap[rows])

    def save(self, folder: Path) -> None:
        """Write the table as plain arrays that can be memory-mapped."""
        folder.mkdir(parents=True, exist_ok=True)
        for kind, counts in self.counts.items():
            np.save(folder / f"{kind}.hashes.npy", counts.hashes)
            for part in ("data", "indices", "indptr"):
                np.save(folder / f"{kind}.{part}.npy", getattr(counts.matrix, part))
        np.savez(folder / "index.npz", **self.index)
        np.save(folder / "structure.npy", self.structure)
        np.save(folder / "overlap.npy", self.overlap)

    @classmethod
    def load(cls, folder: Path) -> "FeatureTable":
        """Memory-map a table: workers on one machine share its pages."""
        counts = {}
        for path in sorted(folder.glob("*.hashes.npy")):
            kind = path.name.partition(".")[0]
            parts = ("data", "indices", "indptr")
            data = [np.load(folder / f"{kind}.{part}.npy", mmap_mode="r") for part in parts]
            hashes = np.load(path)
            shape = (len(data[2]) - 1, len(hashes))
            counts[kind] = TermCounts(sparse.csr_matrix(tuple(data), shape=shape), hashes)
        with np.load(folder / "index.npz") as stored:
            index = {column: stored[column] for column in stored.files}
        return cls(
            counts=counts,
            index=index,
            structure=np.load(folder / "structure.npy"),
            overlap=np.load(folder / "overlap.npy"),
        )
