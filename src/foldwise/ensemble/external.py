"""Out-of-fold predictions that were made elsewhere: files of probabilities beside their labels.

Reads  probability files (.npy, .csv, .parquet) and a labels file, each checked row by row
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from foldwise.ensemble.oof_files import check_rows, read_array, read_label_file, split_name
from foldwise.errors import UserError, require


@dataclass(frozen=True)
class ExternalFiles:
    """Where predictions lie that were made elsewhere, one file a model.

    Attributes
    ----------
    oof : tuple of str
        Paths, or `name=path`. A .npy file is in the row order of the labels file; a .csv or
        .parquet file with a column `id` is matched by it. One column (or a vector) is the
        probability of the second of two classes.
    labels : Path
        .csv, .parquet or .npy: one column of labels, or one-hot columns; a table may also hold
        `id`, `group` and `fold`.
    test : tuple of Path
        Predictions of test rows, in the order of `oof`; empty if there are none.
    """

    oof: tuple[str, ...]
    labels: Path
    test: tuple[Path, ...] = ()

    def read(self) -> "ExternalPredictions":
        """Read and check the out-of-fold files against their labels.

        Raises
        ------
        UserError
            One line that names the file and the row or column at fault.
        """
        sources = self._sources()
        truth = read_label_file(self.labels)
        arrays = {name: read_array(path, truth) for name, path in sources.items()}
        codes, classes = truth.encode([array.columns for array in arrays.values()], self.labels)
        probabilities = {}
        for name, array in arrays.items():
            values = array.in_order(classes, sources[name])
            probabilities[name] = check_rows(values, sources[name])
        folds_of = {self.labels: truth.folds} | {sources[n]: a.folds for n, a in arrays.items()}
        folds = _agreed_folds(truth.ids, folds_of)
        return ExternalPredictions(
            truth.ids, codes, classes, truth.groups, folds, probabilities, sources
        )

    def _sources(self) -> dict[str, Path]:
        """Return the file of each model by its name."""
        require(bool(self.oof), "--oof: name at least one file of probabilities")
        sources: dict[str, Path] = {}
        for item in self.oof:
            name, path = split_name(item)
            require(
                name not in sources,
                f"--oof: {path} and {sources.get(name)} are both called {name!r}; write name=path",
            )
            sources[name] = path
        return sources


@dataclass(frozen=True)
class ExternalPredictions:
    """Predictions of several models on the same rows, in the order of the labels file.

    Attributes
    ----------
    ids : ndarray of str, shape (n,)
    labels : ndarray of int64, shape (n,)
        Class indexes.
    classes : list of str
        In the order of the probability columns.
    groups : ndarray of str, shape (n,), or None
        None where the labels file does not say.
    folds : ndarray of int8, shape (n,), or None
        None where no file says.
    probabilities : dict of str to ndarray of float64, shape (n, C)
        By model name; rows sum to 1.
    sources : dict of str to Path
        The file of each model.
    """

    ids: np.ndarray
    labels: np.ndarray
    classes: list[str]
    groups: np.ndarray | None
    folds: np.ndarray | None
    probabilities: dict[str, np.ndarray]
    sources: dict[str, Path]


def _agreed_folds(ids: np.ndarray, folds_of: dict[Path, np.ndarray | None]) -> np.ndarray | None:
    """Return the fold of each row as 0 to n - 1, once all files that name it agree."""
    known = {path: folds for path, folds in folds_of.items() if folds is not None}
    if not known:
        return None
    (first, folds), *others = known.items()
    for path, other in others:
        differ = np.flatnonzero(folds != other)
        if len(differ):
            raise UserError(
                f"{path}: row {ids[differ[0]]!r} is in fold {other[differ[0]]}, but in "
                f"{folds[differ[0]]} in {first}: these models were not validated on the same folds"
            )
    codes, values = pd.factorize(folds, sort=True)
    require(
        1 < len(values) <= 100,
        f"{first}: column 'fold' holds {len(values)} values; cross-validation has 2 to 100",
    )
    return codes.astype(np.int8)
