"""Classify new texts with the models of a finished output folder.

A fold's folder holds all that is needed: the model, the terms it knows, how texts were cleaned
and the class names. No training data and no configuration file is read.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import joblib
import numpy as np
import pandas as pd

from foldwise.config.competition import Competition
from foldwise.config.roster import KINDS
from foldwise.crossval.stored import FittedUnit, counted_folds, read_record
from foldwise.data.celltext import as_text, text_column
from foldwise.data.cleaning import clean_column
from foldwise.data.raw import read_table, require_columns
from foldwise.ensemble.blend_record import BlendRecord
from foldwise.ensemble.pools import Pool
from foldwise.errors import UserError, require
from foldwise.features.featurise import featurise
from foldwise.features.rows import Rows
from foldwise.terminal import track

# Rows between two moves of the progress bar; sorted by length inside, that is enough.
_CHUNK = 2000


@dataclass(frozen=True)
class Predictor:
    """The folds of one model, or of all members of the ensemble.

    Attributes
    ----------
    units : dict of str to list of Path
        The stored folds of each model that is needed.
    classes : list of str
        Class names in the order of the probabilities.
    competition : Competition
        The parts of the configuration that say how texts are read and cleaned.
    pool : Pool or None
        How the models are blended.
    """

    units: dict[str, list[Path]]
    classes: list[str]
    competition: Competition
    pool: Pool | None

    @classmethod
    def load(cls, output: Path, model: str = "ensemble", fold: int | None = None) -> "Predictor":
        """Find the stored models of `output`.

        Parameters
        ----------
        output : Path
            A finished output folder, or the folder of one stored fold (`models/bert/fold-0`),
            which can be moved anywhere.
        model : str
            Name of a model, or "ensemble"; means nothing for the folder of one fold.
        fold : int, optional
            Only this fold of the model, or of each member of the ensemble; all, averaged, if
            not given.

        Raises
        ------
        UserError
            Nothing is stored there, or an unknown model or fold.
        """
        if (output / "unit.json").exists():
            require(fold is None, f"{output}: this is one fold already; leave out --fold")
            record = read_record(output)
            competition = Competition.restore(record.config)
            return cls({record.model: [output]}, record.classes, competition, None)
        require((output / "models").is_dir(), f"{output}: no models there; finish a run first")
        there = sorted(p.name for p in (output / "models").iterdir() if p.name in KINDS)
        pool, names = None, [model]
        if model == "ensemble":
            weights = BlendRecord.read_if_there(output / "ensemble" / "weights.json")
            if weights is None:
                raise UserError(f"{output}: no ensemble there; name a --model of {there}")
            names, pool = Pool.restore(weights)
        for name in names:
            require(name in there, f"{output}: no model {name!r}; there are {', '.join(there)}")
        units = {name: _stored_folds(output, name, fold) for name in names}
        record = read_record(units[names[0]][0])
        competition = Competition.restore(record.config)
        return cls(units, record.classes, competition, pool)

    @property
    def described(self) -> str:
        """What predicts, in words."""
        counts = [
            f"{name} ({len(paths)} {'fold' if len(paths) == 1 else 'folds'})"
            for name, paths in self.units.items()
        ]
        return f"the ensemble of {', '.join(counts)}" if self.pool else counts[0]

    def predict(self, texts: dict[str, np.ndarray]) -> np.ndarray:
        """Return class probabilities of raw texts.

        Parameters
        ----------
        texts : dict of str to ndarray of object, shape (n,)
            For each text column a str, a tuple of turns, or "".

        Returns
        -------
        ndarray of float64, shape (n, C)
        """
        config, rows = self.competition, raw_rows(texts, self.competition)
        n = len(rows)
        units = [
            FittedUnit.load(m, f, self.classes) for m, paths in self.units.items() for f in paths
        ]
        if any(KINDS[unit.name].uses_features for unit in units):
            table, _ = featurise(rows.texts, config, joblib.cpu_count(), known_terms(units))
            rows = replace(rows, features=table)
        sums = {name: np.zeros((n, len(self.classes))) for name in self.units}
        parts = [np.arange(start, min(start + _CHUNK, n)) for start in range(0, n, _CHUNK)]
        for unit, part in track([(u, p) for u in units for p in parts], "predicting"):
            sums[unit.name][part] += unit.predict(rows.take(part))
        means = np.stack([sums[name] / len(self.units[name]) for name in self.units])
        return self.pool.predict(means) if self.pool else means[0]

    def predict_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Return class probabilities, shape (n, C), of texts typed by hand.

        With several text columns the texts are those of one row.
        """
        columns = self.competition.data.text
        require(
            len(columns) == 1 or len(texts) == len(columns),
            f"predict: give --text {len(columns)} times, for {', '.join(columns)}",
        )
        rows = [texts] if len(columns) > 1 else [[text] for text in texts]
        values = np.empty((len(rows), len(columns)), dtype=object)
        values[:] = rows
        return self.predict({name: values[:, j] for j, name in enumerate(columns)})

    def predict_file(self, path: Path) -> pd.DataFrame:
        """Classify the rows of a csv, tsv, jsonl or parquet file.

        Returns
        -------
        DataFrame
            `id` (or the row number), `label`, `probability`, one column a class.
        """
        require(path.is_file(), f"{path}: no such file")
        table, _ = read_table(path, self.competition)
        config = self.competition.data
        require_columns(table, list(config.text), path, "the training data's text columns")
        probabilities = self.predict(raw_texts(table, self.competition))
        best = probabilities.argmax(axis=1)
        ids = table[config.id].map(as_text) if config.id in table else range(len(table))
        result = pd.DataFrame({"id": ids})
        result["label"] = np.array(self.classes, dtype=object)[best]
        result["probability"] = probabilities.max(axis=1)
        result[self.classes] = probabilities
        return result


def raw_texts(table: pd.DataFrame, competition: Competition) -> dict[str, np.ndarray]:
    """Return the text columns of a raw table as `Predictor.predict` takes them."""
    texts = {}
    for name in competition.data.text:
        values, _ = text_column(table[name])
        values[[value is None for value in values]] = ""
        texts[name] = values
    return texts


def raw_rows(texts: dict[str, np.ndarray], competition: Competition) -> Rows:
    """Clean raw texts and number them."""
    cleaned = {name: clean_column(values, competition.clean) for name, values in texts.items()}
    numbers = [str(i) for i in range(len(next(iter(cleaned.values()))))]
    numbers = np.array(numbers, dtype=object)
    return Rows(ids=numbers, texts=cleaned, groups=numbers)


def known_terms(units: list[FittedUnit]) -> dict[str, np.ndarray]:
    """Return the terms that any of the models knows, uint64, shape (k,), by kind.

    Texts are then counted once for all of them.
    """
    known: dict[str, list[np.ndarray]] = {}
    for unit in units:
        if KINDS[unit.name].uses_features:
            for kind, hashes in unit.model.design.hashes().items():
                known.setdefault(kind, []).append(hashes)
    return {kind: np.unique(np.concatenate(parts)) for kind, parts in known.items()}


def show(probabilities: np.ndarray, classes: list[str]) -> str:
    """Return a line a row: the class, its probability, then the others."""
    lines = []
    for row in probabilities:
        order = np.argsort(-row)
        others = ", ".join(f"{classes[i]} {row[i]:.3f}" for i in order[1:5])
        lines.append(f"{classes[order[0]]} {row[order[0]]:.3f}   ({others})")
    return "\n".join(lines)


def _stored_folds(output: Path, model: str, fold: int | None) -> list[Path]:
    """Return the folders of a model's folds, or of the one that is wanted."""
    folders = counted_folds(output / "models" / model)
    require(bool(folders), f"{output}: model {model!r} has no finished fold")
    if fold is None:
        return folders
    wanted = [folder for folder in folders if folder.name == f"fold-{fold}"]
    finished = ", ".join(folder.name.removeprefix("fold-") for folder in folders)
    require(bool(wanted), f"{output}: model {model!r} has no fold {fold}; there are {finished}")
    return wanted
