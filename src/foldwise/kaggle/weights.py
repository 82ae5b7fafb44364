"""Write the weights data set: the fitted folds that the notebook needs, and what describes them.

Reads  the folds of the ensemble's members, clean/train.parquet, submission.csv (its header)
Writes models/<model>/<fold>/ and bundle.json into the data set's folder
"""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import JsonValue

from foldwise import __version__
from foldwise.backbone.source import packaged_folder
from foldwise.config.competition import Competition, with_section
from foldwise.config.record import FORMAT
from foldwise.config.roster import KINDS
from foldwise.crossval.stored import FittedUnit, stamp
from foldwise.data import submission
from foldwise.ensemble.blend_record import BlendRecord
from foldwise.ensemble.predictor import Predictor
from foldwise.errors import require
from foldwise.features.rows import Rows
from foldwise.files import read_json, remove, write_json
from foldwise.hashing import file_hash
from foldwise.kaggle.contents import RECORD, BundleRecord, Member, sha256
from foldwise.terminal import track

HALF_TOLERANCE = 1e-3  # largest change of a probability for which half precision is kept
_CHECKED_ROWS = 128  # training rows on which half precision is judged
_HEAD = "head.safetensors"  # a few thousand weights: nothing to gain
_NOT_NEEDED = ("oof.parquet", "test.parquet", "metrics.json")


def write_weights(
    folder: Path, output: Path, predictor: Predictor, competition: Competition
) -> BundleRecord:
    """Copy the folds of the ensemble's members and describe them.

    Parameters
    ----------
    folder : Path
        The data set to write.
    output : Path
        Folder of the finished run.
    predictor : Predictor
        Its ensemble.
    competition : Competition
        Its configuration.
    """
    pool = predictor.pool
    models: dict[str, Member] = {}
    for (name, folds), weight in zip(predictor.units.items(), pool.weights, strict=True):
        for fold in folds:
            shutil.copytree(
                fold,
                folder / "models" / name / fold.name,
                ignore=shutil.ignore_patterns(*_NOT_NEEDED),
            )
            stamp(folder / "models" / name / fold.name)
        member = Member(
            weight=weight.tolist(),
            folds=[fold.name for fold in folds],
            needs_terms=KINDS[name].uses_features,
            averages=bool((read_json(folds[0] / "packing.json") or {}).get("averaging")),
        )
        if KINDS[name].is_transformer:
            halved = _halved(folder / "models" / name, folds, name, predictor, output)
            member = member.replace(**halved)
        models[name] = member
    prior = _shares(output, predictor.classes)
    competition = _settled(competition, predictor.classes, output)
    row = _constant_row(prior, predictor.classes, competition, output)
    files = sorted(path for path in (folder / "models").rglob("*") if path.is_file())
    record = BundleRecord(
        format=FORMAT,
        foldwise=__version__,
        competition=competition.model_dump(mode="json"),
        classes=predictor.classes,
        method=pool.method,
        bias=pool.bias.tolist(),
        models=models,
        prior=prior.tolist(),
        columns=list(row),
        prior_row={name: row[name] for name in list(row)[1:]},
        manifest=file_hash(output / "manifest.json"),
        log_loss=BlendRecord.read(output / "ensemble" / "weights.json").overall.log_loss,
        sha256={str(path.relative_to(folder)): sha256(path) for path in files},
    )
    record.write(folder / RECORD)
    return record


def _halved(
    folder: Path, folds: list[Path], model: str, predictor: Predictor, output: Path
) -> dict[str, bool | float]:
    """Store encoders in half precision where that changes no prediction noticeably."""
    shared = KINDS[model].encoder == "frozen"
    if shared:
        _share_encoder(folder, folds)
    rows = _some_rows(output, predictor.competition)
    half = folder.with_name(f"{model}.half")
    shutil.copytree(folder, half)
    changes = []
    for copy in [half / "encoder"] if shared else [half / f.name for f in folds]:
        _halve(copy)
    for fold in folds:
        stamp(half / fold.name)
    for fold in track(folds, f"half precision, {model}"):
        here = (folder / fold.name, half / fold.name)
        changes.append(_change(*here, model, predictor.classes, rows))
    kept = max(changes) <= HALF_TOLERANCE
    if kept:
        remove(folder)
        half.rename(folder)
    else:
        remove(half)
    return {"half": kept, "half_changes": max(changes), "half_rows": len(rows)}


def _halve(folder: Path) -> None:
    """Rewrite the float32 weights in a `save_pretrained` folder as float16."""
    import torch
    from safetensors.torch import load_file, save_file

    for path in sorted(folder.glob("*.safetensors")):
        if path.name == _HEAD:
            continue
        halved = {
            name: tensor.half() if tensor.dtype == torch.float32 else tensor
            for name, tensor in load_file(path).items()
        }
        save_file(halved, path, metadata={"format": "pt"})


def _change(full: Path, half: Path, model: str, classes: list[str], rows: Rows) -> float:
    """Return the largest difference between the probabilities of two copies of a fold.

    Both run as they would on this machine; a device that multiplies in 16 bits rounds the
    weights anyway.
    """
    predictions = [FittedUnit.load(model, folder, classes).predict(rows) for folder in (full, half)]
    difference = np.abs(predictions[0] - predictions[1])
    return float(difference.max()) if np.isfinite(difference).all() else float("inf")


def _share_encoder(folder: Path, folds: list[Path]) -> None:
    """Store a frozen encoder once, not once a fold, and also where it came as a package."""
    source = folds[0] / "encoder"
    if not source.is_dir():
        source = packaged_folder()
    shutil.copytree(source, folder / "encoder")
    for fold in folds:
        remove(folder / fold.name / "encoder")
        layout = read_json(folder / fold.name / "embedding.json")
        write_json(folder / fold.name / "embedding.json", layout | {"model": "../encoder"})
        stamp(folder / fold.name)


def _some_rows(output: Path, competition: Competition) -> Rows:
    table = pd.read_parquet(output / "clean" / "train.parquet")
    table = table.sample(min(_CHECKED_ROWS, len(table)), random_state=competition.seed)
    texts = {name: table[name].to_numpy(dtype=object) for name in competition.data.text}
    ids = table["id"].to_numpy(dtype=object)
    return Rows(ids=ids, texts=texts, groups=ids)


def _shares(output: Path, classes: list[str]) -> np.ndarray:
    labels = pd.read_parquet(output / "clean" / "train.parquet", columns=["label"])["label"]
    counts = labels.value_counts().reindex(classes, fill_value=0).to_numpy(dtype=float)
    return (counts + 1) / (counts + 1).sum()


def _settled(competition: Competition, classes: list[str], output: Path) -> Competition:
    """Return the configuration with what the run's submission holds: there is no sample later."""
    made = output / "submission.csv"
    if not made.exists():
        return competition
    table = submission.read_submission(made)
    id_column, *columns = table.columns
    require(
        submission.find_id(table, competition.data.id) == id_column,
        f"{made}: the id is not the first column, as it is in every competition on Kaggle",
    )
    kind = "probabilities"
    if len(columns) == 1:
        labels = {*classes, *map(str.capitalize, classes)}
        kind = "label" if set(table[columns[0]]) <= labels else "positive"
    return with_section(competition, "submission", {"kind": kind}, str(made))


def _constant_row(
    prior: np.ndarray, classes: list[str], competition: Competition, output: Path
) -> dict[str, JsonValue]:
    """Return the submission's row for the class shares, by column, the id first."""
    sample, made = None, output / "submission.csv"
    if made.exists():
        sample = submission.read_submission(made).iloc[:1].copy()
        sample.iloc[0, 0] = "0"
    table = pd.DataFrame([prior], columns=classes)
    table.insert(0, "id", ["0"])
    row, _ = submission.build(table, classes, competition, sample)
    first = row.to_dict("records")[0]
    return {column: first[column] for column in row.columns}
