"""Design matrices kept as products: distinct texts are stored once, rows only point at them.

A prompt that a thousand rows share, or an answer that meets several rivals, is weighed once
instead of once a row, and A minus B is never written out.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse


@dataclass(frozen=True)
class Terms:
    """Term columns of rows: `pick @ texts + rest`.

    Attributes
    ----------
    texts : csr_matrix of float32, shape (n_texts, k)
        Term weights of distinct texts.
    pick : csr_matrix of float32, shape (n, n_texts)
        Which texts make a row, and with which sign.
    rest : csr_matrix of float32, shape (n, k), or None
        What a sum of texts cannot say: for |A - B| it is -2 min(A, B).
    """

    texts: sparse.csr_matrix
    pick: sparse.csr_matrix
    rest: sparse.csr_matrix | None = None

    @classmethod
    def plain(cls, matrix: sparse.csr_matrix) -> "Terms":
        """Wrap a matrix whose rows are the rows."""
        return cls(matrix, sparse.identity(matrix.shape[0], np.float32, format="csr"))


@dataclass(frozen=True)
class Block:
    """Columns of rows: terms, then dense features.

    Attributes
    ----------
    terms : tuple of Terms
        Their columns stand side by side.
    dense : ndarray of float32, shape (n, d)
        The last columns.
    scale : tuple of float
        Of the columns of each member of `terms`: standard deviation that a linear model's
        penalty grants their weights, against 1 for dense features.
    """

    terms: tuple[Terms, ...]
    dense: np.ndarray
    scale: tuple[float, ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self.dense), self.n_terms + self.dense.shape[1]

    @property
    def n_terms(self) -> int:
        """Columns that are terms."""
        return sum(part.texts.shape[1] for part in self.terms)

    def __matmul__(self, weights: np.ndarray) -> np.ndarray:
        """Return rows times weights, float32; weights of shape (columns,) or (columns, C)."""
        weights = weights.astype(np.float32, copy=False)
        product = self.dense @ weights[self.n_terms :]
        first = 0
        for part in self.terms:
            own = weights[first : first + part.texts.shape[1]]
            product = product + part.pick @ (part.texts @ own)
            if part.rest is not None:
                product += part.rest @ own
            first += part.texts.shape[1]
        return product

    def adjoint(self) -> Callable[[np.ndarray], np.ndarray]:
        """Return the function from float32 values of rows to their sums by column.

        The transposed matrices are made once, for a fit of many iterations.
        """
        parts = []
        for part in self.terms:
            rest = None if part.rest is None else part.rest.T.tocsr()
            parts.append((part.texts.T.tocsr(), part.pick.T.tocsr(), rest))

        def apply(values: np.ndarray) -> np.ndarray:
            values = values.astype(np.float32, copy=False)
            sums = []
            for texts, pick, rest in parts:
                total = texts @ (pick @ values)
                sums.append(total if rest is None else total + rest @ values)
            return np.concatenate([*sums, self.dense.T @ values])

        return apply

    def squares(self, row_weight: np.ndarray) -> np.ndarray:
        """Return about the sum over rows of weight x value^2 by column, shape (columns,).

        Where two texts of a row share a term their product is left out.
        """
        sums = []
        for part in self.terms:
            of_text = abs(part.pick).T @ row_weight
            squared = part.texts.copy()
            squared.data = np.square(squared.data)
            sums.append(squared.T @ of_text.astype(np.float32))
        return np.concatenate([*sums, np.square(self.dense).T @ row_weight.astype(np.float32)])

    def penalty_scale(self) -> np.ndarray:
        """Return `scale` by column, float64, shape (columns,)."""
        scale = self.scale or (1.0,) * len(self.terms)
        parts = [np.full(t.texts.shape[1], s) for t, s in zip(self.terms, scale, strict=True)]
        return np.concatenate([*parts, np.ones(self.dense.shape[1])])

    def columns(self, chosen: np.ndarray) -> sparse.csr_matrix:
        """Return the columns at ascending positions `chosen`, float32."""
        parts, first = [], 0
        for part in self.terms:
            k = part.texts.shape[1]
            own = chosen[(chosen >= first) & (chosen < first + k)] - first
            made = part.pick @ part.texts[:, own]
            parts.append(made if part.rest is None else made + part.rest[:, own])
            first += k
        parts.append(sparse.csr_matrix(self.dense[:, chosen[chosen >= first] - first]))
        made = sparse.hstack(parts, format="csr", dtype=np.float32)
        made.sort_indices()
        made.eliminate_zeros()
        return made

    def negated(self) -> "Block":
        """Return the block with every sign changed."""
        terms = tuple(
            replace(t, pick=-t.pick, rest=None if t.rest is None else -t.rest) for t in self.terms
        )
        return replace(self, terms=terms, dense=-self.dense)

    def toarray(self) -> np.ndarray:
        """Return all columns as a dense array."""
        return self.columns(np.arange(self.shape[1])).toarray()


@dataclass(frozen=True)
class Blocks:
    """The design matrices of some rows.

    Attributes
    ----------
    odd : Block or None
        Changes sign under a swap of A and B; None for single-text competitions.
    even : Block
        Unchanged by a swap.
    """

    odd: Block | None
    even: Block

    def swapped(self) -> "Blocks":
        """Return the blocks of the same rows with A and B in each other's place."""
        return replace(self, odd=None if self.odd is None else self.odd.negated())
