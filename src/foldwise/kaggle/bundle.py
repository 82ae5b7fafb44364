"""Pack a finished output folder for Kaggle.

Reads  manifest.json, ensemble/weights.json, clean/train.parquet, the folds of the ensemble's
       members, submission.csv (its header)
Writes kaggle/: code/ and weights/ (data sets), submit/ and train/ (notebooks), README.md
"""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from foldwise import __version__, data, submission
from foldwise.config import Competition
from foldwise.crossval import stamp
from foldwise.errors import require
from foldwise.kaggle import cells
from foldwise.kaggle.contents import RECORD, sha256
from foldwise.models import TRANSFORMERS, model_class
from foldwise.predict import Predictor
from foldwise.rows import Rows
from foldwise.stage import PACKAGE, atomic, file_hash, read_json, remove, write_json, write_text
from foldwise.terminal import say, track

USER = "INSERT_USER_HERE"  # what `push` replaces by the name behind the token
ACCELERATOR = "NvidiaTeslaT4"
HALF_TOLERANCE = 1e-3
_CHECKED_ROWS = 128  # training rows on which half precision is judged
_NOT_NEEDED = ("oof.parquet", "test.parquet", "metrics.json")


def bundle(output: Path, user: str = USER) -> Path:
    """Write `output/kaggle`, whole or not at all, and list what is in it.

    Parameters
    ----------
    output : Path
        Folder of a finished run.
    user : str
        The owner's name on Kaggle.

    Raises
    ------
    UserError
        The folder holds no finished run.
    """
    predictor = Predictor.load(output)
    manifest = read_json(output / "manifest.json")
    require(bool(manifest), f"{output}: no manifest.json; finish the run first")
    competition = Competition.restore(manifest["config"])
    target = output / "kaggle"
    with atomic(target) as partial:
        partial.mkdir(parents=True)
        _code(partial / "code", competition)
        record = _weights(partial / "weights", output, predictor, competition)
        _notebooks(partial, competition, record)
        slugs = {name: slug(competition, name) for name in ("code", "weights", "submit", "train")}
        for name in ("code", "weights"):
            write_json(
                partial / name / "dataset-metadata.json",
                {
                    "title": slugs[name].replace("-", " "),
                    "id": f"{user}/{slugs[name]}",
                    "licenses": [{"name": "other"}],
                },
            )
        for name, sources in (("submit", ["code", "weights"]), ("train", ["code"])):
            write_json(
                partial / name / "kernel-metadata.json",
                _kernel(competition, user, name, [f"{user}/{slugs[s]}" for s in sources]),
            )
        write_text(partial / "README.md", _readme(competition, record, user, partial))
    _list(target, record)
    return target


def slug(competition: Competition, part: str) -> str:
    """Return the name of a data set or notebook in addresses, at most 50 characters."""
    name = re.sub(r"[^a-z0-9]+", "-", competition.name.lower()).strip("-")
    return f"foldwise-{name[: 50 - len('foldwise--') - len(part)].strip('-')}-{part}"


def _code(folder: Path, competition: Competition) -> None:
    shutil.copytree(PACKAGE, folder / "foldwise", ignore=shutil.ignore_patterns("__pycache__"))
    write_text(folder / "competition.toml", _toml(competition.model_dump(mode="json")))
    wanted = {
        getattr(competition, name).model for name in TRANSFORMERS if name in competition.models
    }
    if "packaged" in wanted:
        from foldwise.pretrained import packaged_folder

        shutil.copytree(packaged_folder(), folder / "encoder")


def _weights(
    folder: Path, output: Path, predictor: Predictor, competition: Competition
) -> dict[str, Any]:
    """Copy the folds of the ensemble's members and describe them."""
    pool = predictor.pool
    models: dict[str, Any] = {}
    for (name, folds), weight in zip(predictor.units.items(), pool.weights, strict=True):
        for fold in folds:
            shutil.copytree(
                fold,
                folder / "models" / name / fold.name,
                ignore=shutil.ignore_patterns(*_NOT_NEEDED),
            )
            stamp(folder / "models" / name / fold.name)
        member: dict[str, Any] = {
            "weight": weight.tolist(),
            "folds": [fold.name for fold in folds],
            "needs_terms": model_class(name).uses_features,
            "averages": bool((read_json(folds[0] / "packing.json") or {}).get("averaging")),
        }
        if name in TRANSFORMERS:
            member |= _halved(folder / "models" / name, folds, name, predictor, output)
        models[name] = member
    prior = _shares(output, predictor.classes)
    row = _constant_row(prior, predictor.classes, competition, output)
    record = {
        "foldwise": __version__,
        "competition": competition.model_dump(mode="json"),
        "classes": predictor.classes,
        "method": pool.method,
        "bias": pool.bias.tolist(),
        "models": models,
        "prior": prior.tolist(),
        "columns": list(row),
        "prior_row": {name: row[name] for name in list(row)[1:]},
        "manifest": file_hash(output / "manifest.json"),
        "log_loss": read_json(output / "ensemble" / "weights.json")["overall"]["log_loss"],
    }
    files = sorted(path for path in (folder / "models").rglob("*") if path.is_file())
    record["sha256"] = {str(path.relative_to(folder)): sha256(path) for path in files}
    write_json(folder / RECORD, record)
    return record


def _halved(
    folder: Path, folds: list[Path], model: str, predictor: Predictor, output: Path
) -> dict[str, Any]:
    """Store encoders in half precision where that changes no prediction noticeably."""
    from foldwise.kaggle import halving

    if model == "embedding":
        _share_encoder(folder, folds)
    rows = _some_rows(output, predictor.competition)
    half = folder.with_name(f"{model}.half")
    shutil.copytree(folder, half)
    changes = []
    for copy in [half / "encoder"] if model == "embedding" else [half / f.name for f in folds]:
        halving.halve(copy)
    for fold in folds:
        stamp(half / fold.name)
    for fold in track(folds, f"half precision, {model}"):
        here = (folder / fold.name, half / fold.name)
        changes.append(halving.change(*here, model, predictor.classes, rows))
    kept = max(changes) <= HALF_TOLERANCE
    if kept:
        remove(folder)
        half.rename(folder)
    else:
        remove(half)
    return {"half": kept, "half_changes": max(changes), "half_rows": len(rows)}


def _share_encoder(folder: Path, folds: list[Path]) -> None:
    """Store a frozen encoder once, not once a fold, and also where it came as a package."""
    source = folds[0] / "encoder"
    if not source.is_dir():
        from foldwise.pretrained import packaged_folder

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


def _constant_row(
    prior: np.ndarray, classes: list[str], competition: Competition, output: Path
) -> dict[str, Any]:
    """Return the submission's row for the class shares, by column, the id first."""
    sample, made = None, output / "submission.csv"
    if made.exists():
        sample = submission.read(made).iloc[:1].copy()
        sample.iloc[0, 0] = "0"
    table = pd.DataFrame([prior], columns=classes)
    table.insert(0, "id", ["0"])
    row, _ = submission.build(table, classes, competition, sample)
    first = row.to_dict("records")[0]
    return {column: first[column] for column in row.columns}


def _notebooks(folder: Path, competition: Competition, record: dict[str, Any]) -> None:
    config = competition.data
    names = {part: [p.name for p in paths] for part, paths in _names(competition).items()}
    constants = {"COMPETITION": competition.kaggle.competition, "ID": config.id}
    constants |= {"TEXT": list(config.text), "COLUMNS": list(config.columns)}
    header = {"HEADER": record["columns"], "PRIOR": record["prior_row"]}
    target = list(config.target) if config.one_hot else [config.target]
    for name, notebook in (
        (
            "submit",
            cells.submit_notebook(competition.name, constants | {"NAMES": names["test"]} | header),
        ),
        (
            "train",
            cells.train_notebook(
                competition.name, constants | {"NAMES": names["train"], "TARGET": target}
            ),
        ),
    ):
        (folder / name).mkdir()
        cells.write_notebook(folder / name / f"foldwise-{name}.ipynb", notebook)


def _names(competition: Competition) -> dict[str, list[Path]]:
    return data.candidates(competition, Path())


def _kernel(competition: Competition, user: str, name: str, sources: list[str]) -> dict[str, Any]:
    slug_ = slug(competition, name)
    on_kaggle = competition.kaggle.competition
    return {
        "id": f"{user}/{slug_}",
        "title": slug_.replace("-", " "),
        "code_file": f"foldwise-{name}.ipynb",
        "language": "python",
        "kernel_type": "notebook",
        "is_private": True,
        "enable_gpu": True,
        "enable_tpu": False,
        "enable_internet": False,
        "machine_shape": ACCELERATOR,
        "dataset_sources": sources,
        "competition_sources": [on_kaggle] if on_kaggle else [],
        "kernel_sources": [],
        "model_sources": [],
    }


def _readme(competition: Competition, record: dict[str, Any], user: str, folder: Path) -> str:
    sizes = {part: f"{_megabytes(folder / part):.1f} MB" for part in ("code", "weights")}
    models = ", ".join(
        f"{name} {_megabytes(folder / 'weights' / 'models' / name):.1f} MB"
        for name in record["models"]
    )
    data = {part: f"{user}/{slug(competition, part)}" for part in ("code", "weights")}
    return (
        f"# {competition.title or competition.name}: foldwise on Kaggle\n\n"
        f"Ensemble of {', '.join(record['models'])}; out-of-fold log loss "
        f"{record['log_loss']:.4f}.\n\n"
        "Three commands take it to Kaggle, run in this folder. `python -m foldwise kaggle push` "
        "runs them for you, waits between them, and knows when a data set is there already.\n\n"
        "```sh\n"
        "kaggle datasets create -p code --dir-mode zip\n"
        "kaggle datasets create -p weights --dir-mode zip\n"
        f"kaggle kernels push -p submit --accelerator {ACCELERATOR}\n"
        "```\n\n"
        + (
            f"Before the first: the metadata files hold `{USER}` in place of your name on Kaggle; "
            "bundle again with `--user NAME`, or put it in by hand.\n\n"
            if user == USER
            else ""
        )
        + f"Before the third: `kaggle datasets status {data['code']}` and the same for "
        f"`{data['weights']}` must say ready.\n\n"
        "The second time a data set gets a new version instead: `kaggle datasets version -p "
        'weights --dir-mode zip -m "what changed"`, and the same for `code` if that changed.\n\n'
        f"- `code/` ({sizes['code']}): the package and the configuration; nothing to install\n"
        f"- `weights/` ({sizes['weights']}: {models}): the fitted models of the ensemble, which "
        "`bundle.json` describes\n"
        "- `submit/foldwise-submit.ipynb`: predicts, no internet\n"
        "- `train/foldwise-train.ipynb`: fits on Kaggle, "
        f"`kaggle kernels push -p train --accelerator {ACCELERATOR}`\n\n"
        + (
            "Then `python -m foldwise kaggle submit` submits the notebook's output and waits for "
            "its score.\n"
            if competition.kaggle.competition
            else "`kaggle.competition` is not set: the notebook has no competition's data yet.\n"
        )
    )


def _list(target: Path, record: dict[str, Any]) -> None:
    for name, member in record["models"].items():
        size = _megabytes(target / "weights" / "models" / name)
        line = f"  {name:<12} {size:8.1f} MB  {len(member['folds'])} folds, "
        line += f"weight {member['weight']:.2f}"
        if "half" in member:
            stored = "half precision" if member["half"] else "kept in full precision"
            line += (
                f"; {stored}: a prediction changes by at most {member['half_changes']:.1e} "
                f"({member['half_rows']} rows)"
            )
        say(line)
    for name in ("code", "weights"):
        say(f"  {name + '/':<12} {_megabytes(target / name):8.1f} MB")
    say(f"bundle       {target}; rehearse it, then push it")


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def _toml(values: dict[str, Any]) -> str:
    """Write a configuration as TOML, whose strings, numbers and lists are those of JSON here."""
    lines = [f"{k} = {_json(v)}" for k, v in values.items() if not isinstance(v, dict)]
    for name, section in values.items():
        if isinstance(section, dict):
            lines += ["", f"[{name}]", *(f"{k} = {_json(v)}" for k, v in section.items())]
    return "\n".join(lines) + "\n"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
