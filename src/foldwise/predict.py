"""Classify new texts with the models of a finished output folder.

A fold's folder holds all that is needed: the model, the terms it knows, how texts were cleaned
and the class names. No training data and no configuration file is read.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from foldwise import balance, data
from foldwise.config import Competition
from foldwise.crossval import folder_hashes
from foldwise.errors import UserError, require
from foldwise.featurise import featurise
from foldwise.models import MODELS, model_class
from foldwise.pools import Pool
from foldwise.rows import Rows
from foldwise.stage import atomic, read_json
from foldwise.terminal import track
from foldwise.text import clean_column


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
    def load(cls, output: Path, model: str = "ensemble") -> "Predictor":
        """Find the stored models of `output`.

        Raises
        ------
        UserError
            Nothing is stored there, or an unknown model.
        """
        require((output / "models").is_dir(), f"{output}: no models there; finish a run first")
        there = sorted(p.name for p in (output / "models").iterdir() if p.name in MODELS)
        pool, names = None, [model]
        if model == "ensemble":
            weights = read_json(output / "ensemble" / "weights.json")
            require(bool(weights), f"{output}: no ensemble there; name a --model of {there}")
            names = [name for name, weight in weights["weights"].items() if weight > 0]
            bias = np.array([weights["bias"][name] for name in weights["classes"]])
            pool = Pool(
                weights["method"], np.array([weights["weights"][name] for name in names]), bias
            )
        units = {}
        for name in names:
            require(name in there, f"{output}: no model {name!r}; there are {', '.join(there)}")
            folders = sorted((output / "models" / name).glob("fold-*"))
            units[name] = [f for f in folders if (f / "unit.json").exists()]
            require(bool(units[name]), f"{output}: model {name!r} has no finished fold")
        record = _record(units[names[0]][0])
        competition = Competition.restore(record["config"])
        return cls(units, record["classes"], competition, pool)

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
        config = self.competition
        cleaned = {name: clean_column(values, config.clean) for name, values in texts.items()}
        n = len(next(iter(cleaned.values())))
        rows = Rows(
            ids=np.array([str(i) for i in range(n)], dtype=object),
            texts=cleaned,
            groups=np.array([str(i) for i in range(n)], dtype=object),
        )
        units = [_Unit.load(name, f, self) for name, paths in self.units.items() for f in paths]
        if any(unit.model.uses_features for unit in units):
            table, _ = featurise(rows.texts, config, os.cpu_count() or 1, _known_terms(units))
            rows = replace(rows, features=table)
        sums = {name: np.zeros((n, len(self.classes))) for name in self.units}
        for unit in track(units, "predicting"):
            sums[unit.name] += balance.correct(unit.model.predict(rows), unit.factors)
        means = np.stack([sums[name] / len(self.units[name]) for name in self.units])
        return self.pool.predict(means) if self.pool else means[0]

    def predict_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Classify texts typed by hand; with several text columns they are one row's texts."""
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
        table, _ = data.read_table(path, self.competition)
        config = self.competition.data
        data.require_columns(table, list(config.text), path, "the training data's text columns")
        texts = {}
        for name in config.text:
            values, _ = data.text_column(table[name])
            values[[value is None for value in values]] = ""
            texts[name] = values
        probabilities = self.predict(texts)
        best = probabilities.argmax(axis=1)
        ids = table[config.id].map(data.as_text) if config.id in table else range(len(table))
        result = pd.DataFrame({"id": ids})
        result["label"] = np.array(self.classes, dtype=object)[best]
        result["probability"] = probabilities.max(axis=1)
        result[self.classes] = probabilities
        return result


@dataclass(frozen=True)
class _Unit:
    """One stored fold of one model."""

    name: str
    model: Any
    factors: np.ndarray

    @classmethod
    def load(cls, name: str, folder: Path, predictor: Predictor) -> "_Unit":
        record = _record(folder)
        if record["classes"] != predictor.classes:
            raise UserError(
                f"{folder}: its classes are {record['classes']}, not {predictor.classes}"
            )
        return cls(name, model_class(name).load(folder), np.array(record["prior_correction"]))


def _record(folder: Path) -> dict[str, Any]:
    """Return what is known of a stored fold, whose files must be those that were stored."""
    record = read_json(folder / "unit.json")
    require(
        isinstance(record, dict) and record.get("files") == folder_hashes(folder),
        f"{folder}: its files are not those that the run stored; run again to fit the fold anew",
    )
    return record


def _known_terms(units: list[_Unit]) -> dict[str, np.ndarray]:
    """Return every term that any of the models knows, so that texts are counted once for all."""
    known: dict[str, list[np.ndarray]] = {}
    for unit in units:
        if unit.model.uses_features:
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


def write(table: pd.DataFrame, path: Path) -> None:
    """Write predictions as csv, atomically."""
    with atomic(path) as partial:
        table.to_csv(partial, index=False, lineterminator="\n")
