"""Pack a finished output folder for Kaggle.

Reads  manifest.json, ensemble/weights.json, clean/train.parquet, the folds of the ensemble's
       members, submission.csv (its header)
Writes kaggle/: code/ and weights/ (data sets), submit/ and train/ (notebooks), README.md
"""

import re
import shutil
from pathlib import Path

from pydantic import JsonValue

from foldwise.backbone.source import packaged_folder
from foldwise.config.competition import Competition
from foldwise.config.manifest import Manifest
from foldwise.config.overrides import as_toml
from foldwise.config.roster import KINDS
from foldwise.data.raw import candidates
from foldwise.ensemble.predictor import Predictor
from foldwise.files import PACKAGE, atomic, write_json, write_text
from foldwise.kaggle import cells
from foldwise.kaggle.contents import BundleRecord
from foldwise.kaggle.machine import ACCELERATOR
from foldwise.kaggle.weights import write_weights
from foldwise.terminal import say

USER = "INSERT_USER_HERE"  # what `push` replaces by the name behind the token


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
    manifest = Manifest.of(output)
    competition = Competition.restore(manifest.config)
    target = output / "kaggle"
    with atomic(target) as partial:
        partial.mkdir(parents=True)
        _code(partial / "code", competition)
        record = write_weights(partial / "weights", output, predictor, competition)
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
    write_text(folder / "competition.toml", as_toml(competition.model_dump(mode="json")))
    transformers = [name for name in competition.models if KINDS[name].is_transformer]
    wanted = {getattr(competition, name).model for name in transformers}
    if "packaged" in wanted:
        shutil.copytree(packaged_folder(), folder / "encoder")


def _notebooks(folder: Path, competition: Competition, record: BundleRecord) -> None:
    config, files = competition.data, candidates(competition, Path())
    names = {part: [path.name for path in paths] for part, paths in files.items()}
    target = list(config.target) if config.one_hot else [config.target]
    common = {"COMPETITION": competition.kaggle.competition, "ID": config.id}
    common |= {"TEXT": list(config.text), "COLUMNS": list(config.columns)}
    header = {"HEADER": record.columns, "PRIOR": record.prior_row}
    submit = common | {"NAMES": names["test"]} | header
    train = common | {"NAMES": names["train"], "TARGET": target}
    notebooks = {
        "submit": cells.submit_notebook(competition.name, submit),
        "train": cells.train_notebook(competition.name, train),
    }
    for name, notebook in notebooks.items():
        (folder / name).mkdir()
        cells.write_notebook(folder / name / f"foldwise-{name}.ipynb", notebook)


def _kernel(
    competition: Competition, user: str, name: str, sources: list[str]
) -> dict[str, JsonValue]:
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


def _readme(competition: Competition, record: BundleRecord, user: str, folder: Path) -> str:
    sizes = {part: f"{_megabytes(folder / part):.1f} MB" for part in ("code", "weights")}
    models = ", ".join(
        f"{name} {_megabytes(folder / 'weights' / 'models' / name):.1f} MB"
        for name in record.models
    )
    data = {part: f"{user}/{slug(competition, part)}" for part in ("code", "weights")}
    return (
        f"# {competition.title or competition.name}: foldwise on Kaggle\n\n"
        f"Ensemble of {', '.join(record.models)}; out-of-fold log loss "
        f"{record.log_loss:.4f}.\n\n"
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


def _list(target: Path, record: BundleRecord) -> None:
    for name, member in record.models.items():
        size = _megabytes(target / "weights" / "models" / name)
        line = f"  {name:<12} {size:8.1f} MB  {len(member.folds)} folds, "
        line += f"weight {member.weight:.2f}"
        if member.half is not None:
            stored = "half precision" if member.half else "kept in full precision"
            line += (
                f"; {stored}: a prediction changes by at most {member.half_changes:.1e} "
                f"({member.half_rows} rows)"
            )
        say(line)
    for name in ("code", "weights"):
        say(f"  {name + '/':<12} {_megabytes(target / name):8.1f} MB")
    say(f"bundle       {target}; rehearse it, then push it")


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
