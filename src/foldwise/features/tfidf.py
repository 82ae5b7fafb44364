"""TF-IDF and dense blocks of one fold, fitted on its training rows alone.

For a single-text competition a row is its `even` block. For A against B a row has two blocks:
`odd` changes sign when A and B trade places (A minus B), `even` stays as it is (|A minus B|,
the prompt, what both share). A model that knows which is which is symmetric by construction.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import sparse

from foldwise.config.competition import Competition
from foldwise.config.sections import PairConfig
from foldwise.errors import require
from foldwise.features.blocks import Block, Blocks, Terms
from foldwise.features.structure import NAMES, overlap_names
from foldwise.features.table import FeatureTable
from foldwise.features.termcounts import document_frequency, term_places
from foldwise.files import read_json, write_json

_CHUNK_ROWS = 16384  # of pairs whose terms are laid side by side at a time


@dataclass(frozen=True)
class Field:
    """The terms of one kind that count in one field (a column, or both answers of a pair).

    Attributes
    ----------
    kind : str
        "word" or "char".
    columns : tuple of str
        Text columns that share these terms.
    hashes : ndarray of uint64, shape (k,)
        The terms kept, ascending.
    idf : ndarray of float32, shape (k,)
        log((1 + n) / (1 + df)) + 1 over the training rows, as in scikit-learn.
    """

    kind: str
    columns: tuple[str, ...]
    hashes: np.ndarray
    idf: np.ndarray


@dataclass(frozen=True)
class Design:
    """What one fold learnt about terms and scales from its training rows.

    Attributes
    ----------
    fields : list of Field
        Terms and IDF by field and kind.
    shift, scale : dict of str to ndarray of float32
        Mean and standard deviation of the dense columns of each block.
    pair : PairConfig
        Which columns are answers A and B, and the scales of the terms of the context and of
        |A - B| (`Block.scale`).
    columns : tuple of str
        All text columns.
    """

    fields: list[Field]
    shift: dict[str, np.ndarray]
    scale: dict[str, np.ndarray]
    pair: PairConfig
    columns: tuple[str, ...]

    @classmethod
    def fit(cls, table: FeatureTable, competition: Competition) -> "Design":
        """Choose terms, IDF and scales on training rows."""
        config, pair = competition.features, competition.pair
        groups = [(column,) for column in pair.others(competition.data.text)]
        if pair.enabled:
            groups.append(pair.answers)
        fields = [
            _fit_field(table, kind, columns, config.min_df, config.max_features)
            for columns in groups
            for kind in table.counts
        ]
        unscaled = cls(fields, {}, {}, pair, competition.data.text)
        shift, scale = {}, {}
        for name, dense in unscaled._dense(table).items():
            # An odd column keeps its zero: a swap must only change its sign.
            mean = np.zeros(dense.shape[1]) if name == "odd" else dense.mean(axis=0)
            spread = np.sqrt(np.square(dense - mean).mean(axis=0))
            shift[name] = mean.astype(np.float32)
            scale[name] = np.where(spread > 1e-6, spread, 1).astype(np.float32)
        if pair.context and config.structure:
            # What speaks of the context alone is small, so that a penalty holds it back.
            names = column_names(unscaled, competition)["even"]
            marks = (f"{pair.context}:", "kind_", "script_")
            scale["even"][[name.startswith(marks) for name in names]] /= pair.context_scale
        return cls(fields, shift, scale, pair, unscaled.columns)

    def transform(self, table: FeatureTable) -> Blocks:
        """Return the blocks of rows; `table` may hold other terms than the design."""
        dense = {k: (v - self.shift[k]) / self.scale[k] for k, v in self._dense(table).items()}
        odd, even, trust = [], [], []
        of_context = self.pair.context_scale if self.pair.enabled else 1.0
        for field in self.fields:
            texts, places = _weighted(table, field)
            if len(places) == 2:
                odd.append(Terms(texts, _pick(places, (1, -1), texts.shape[0])))
                both = _pick(places, (1, 1), texts.shape[0])
                even.append(Terms(texts, both, _shared(texts, *places)))
                trust.append(self.pair.distance_scale)
            else:
                even.append(Terms(texts, _pick(places, (1,), texts.shape[0])))
                trust.append(of_context)
        first = Block(tuple(odd), dense["odd"], (1.0,) * len(odd)) if self.pair.enabled else None
        return Blocks(first, Block(tuple(even), dense["even"], tuple(trust)))

    def _dense(self, table: FeatureTable) -> dict[str, np.ndarray]:
        of = {column: table.structure[table.index[column]] for column in self.columns}
        if not self.pair.enabled:
            return {"even": np.hstack([*of.values(), table.overlap])}
        a, b = (of[column] for column in self.pair.answers)
        n_odd = 2 if self.pair.context and table.overlap.shape[1] else 0
        others = [of[column] for column in self.pair.others(self.columns)]
        odd = np.hstack([a - b, table.overlap[:, :n_odd]])
        even = [abs(a - b), (a + b) / 2, *others, table.overlap[:, n_odd:]]
        if n_odd:
            even.append(abs(odd[:, -n_odd:]))
        return {"odd": odd, "even": np.hstack(even)}

    def save(self, folder: Path) -> None:
        """Write the design into a folder."""
        arrays = {}
        for i, field in enumerate(self.fields):
            arrays |= {f"hashes_{i}": field.hashes, f"idf_{i}": field.idf}
        for name in self.shift:
            arrays |= {f"shift_{name}": self.shift[name], f"scale_{name}": self.scale[name]}
        np.savez(folder / "design.npz", **arrays)
        fields = [{"kind": f.kind, "columns": list(f.columns)} for f in self.fields]
        pair = self.pair.model_dump(mode="json")
        shape = {"fields": fields, "pair": pair, "columns": self.columns}
        write_json(folder / "design.json", shape)

    @classmethod
    def load(cls, folder: Path) -> "Design":
        """Read what `save` wrote."""
        shape = read_json(folder / "design.json")
        require(
            isinstance(shape["pair"], dict),
            f"{folder}: another version of foldwise wrote this model; fit it again: "
            "python -m foldwise run",
        )
        with np.load(folder / "design.npz") as arrays:
            fields = [
                Field(f["kind"], tuple(f["columns"]), arrays[f"hashes_{i}"], arrays[f"idf_{i}"])
                for i, f in enumerate(shape["fields"])
            ]
            names = [k.partition("_")[2] for k in arrays.files if k.startswith("shift_")]
            shift = {name: arrays[f"shift_{name}"] for name in names}
            scale = {name: arrays[f"scale_{name}"] for name in names}
        pair = PairConfig.model_validate(shape["pair"], strict=False)
        return cls(fields, shift, scale, pair, tuple(shape["columns"]))

    def hashes(self) -> dict[str, np.ndarray]:
        """Return the terms the design knows, uint64, shape (k,), by kind: what is to be counted."""
        kinds = sorted({field.kind for field in self.fields})
        return {
            kind: np.unique(np.concatenate([f.hashes for f in self.fields if f.kind == kind]))
            for kind in kinds
        }


def _fit_field(
    table: FeatureTable, kind: str, columns: tuple[str, ...], min_df: int, max_features: int
) -> Field:
    counts = table.counts[kind]
    rows_of_text = sum(
        np.bincount(table.index[column], minlength=counts.matrix.shape[0]) for column in columns
    )
    df = document_frequency(counts.matrix, rows_of_text)
    keep = df >= min_df
    if max_features and keep.sum() > max_features:
        # A stable sort: ties at the border go to the smaller hash, on every machine.
        order = np.argsort(-df, kind="stable")[:max_features]
        keep = np.zeros(len(df), dtype=bool)
        keep[order] = True
    n = len(table) * len(columns)
    idf = np.log((1 + n) / (1 + df[keep])) + 1
    return Field(kind, columns, counts.hashes[keep], idf.astype(np.float32))


def _weighted(table: FeatureTable, field: Field) -> tuple[sparse.csr_matrix, list[np.ndarray]]:
    """Return the weighted distinct texts of a field and where each column's rows are in them."""
    places = np.stack([table.index[column] for column in field.columns])
    used, place = np.unique(places, return_inverse=True)
    counts = table.counts[field.kind]
    matrix = counts.matrix[used]
    target = term_places(counts.hashes, field.hashes)[matrix.indices]
    kept = target >= 0
    ends = np.concatenate([[0], np.cumsum(kept)])[matrix.indptr]
    target = target[kept].astype(np.int32)
    # Sublinear term frequency: the tenth mention says little more than the ninth.
    values = np.log1p(matrix.data[kept].astype(np.float32)) * field.idf[target]
    squares = np.concatenate([[0.0], np.cumsum(np.square(values, dtype=np.float64))])
    norms = np.sqrt(np.diff(squares[ends]))
    values /= np.repeat(np.maximum(norms, 1e-12), np.diff(ends)).astype(np.float32)
    shape = (len(used), len(field.hashes))
    texts = sparse.csr_matrix((values, target, ends.astype(np.int32)), shape=shape)
    return texts, list(place.reshape(places.shape))


def _pick(places: list[np.ndarray], signs: tuple[int, ...], n_texts: int) -> sparse.csr_matrix:
    """Return the matrix that adds the texts of each row with their signs."""
    n = len(places[0])
    values = np.tile(np.array(signs, np.float32), n)
    ends = np.arange(0, n * len(signs) + 1, len(signs), dtype=np.int32)
    column = np.stack(places, axis=1).ravel().astype(np.int32)
    return sparse.csr_matrix((values, column, ends), shape=(n, n_texts))


def _shared(texts: sparse.csr_matrix, a: np.ndarray, b: np.ndarray) -> sparse.csr_matrix:
    """Return -2 min(A, B) of each row, which makes |A - B| of A + B."""
    starts = range(0, len(a), _CHUNK_ROWS)
    parts = [texts[a[i : i + _CHUNK_ROWS]].minimum(texts[b[i : i + _CHUNK_ROWS]]) for i in starts]
    shared = sparse.vstack(parts, format="csr", dtype=np.float32)
    shared.data *= -2
    return shared


def column_names(design: Design, competition: Competition) -> dict[str, list[str]]:
    """Return the names of the dense columns of each block, in order."""
    odd_overlap, even_overlap = overlap_names(competition.pair, design.columns)
    if not design.pair.enabled:
        names = [f"{column}:{name}" for column in design.columns for name in NAMES]
        return {"even": names + even_overlap}
    others = design.pair.others(design.columns)
    odd = [f"difference:{name}" for name in (*NAMES, *odd_overlap)]
    even = [f"{how}:{name}" for how in ("distance", "mean") for name in NAMES]
    even += [f"{column}:{name}" for column in others for name in NAMES]
    return {"odd": odd, "even": even + even_overlap + [f"distance:{n}" for n in odd_overlap]}
