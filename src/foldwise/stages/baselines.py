"""Fit the TF-IDF baselines on every fold.

Reads  clean/, folds.parquet, features/
Writes models/<model>/ for prior, logreg, svm and lightgbm, as far as they are chosen
"""

from pathlib import Path

from foldwise import crossval, memoryplan, rows
from foldwise.assembly import outputs
from foldwise.files import read_json
from foldwise.models import MODELS, TRANSFORMERS, modules
from foldwise.stage import Run, Stage
from foldwise.units import SHARED_SECTIONS

BASELINES = tuple(name for name in MODELS if name not in TRANSFORMERS)


def baselines(run: Run) -> str:
    """Fit every chosen baseline on every fold."""
    models = chosen(run)
    if not models:
        return "no baseline chosen"
    memoryplan.check_counts(run)
    crossval.fit_models(run, models, run.competition.jobs)
    losses = []
    for model in models:
        overall = read_json(run.model(model) / "metrics.json")["overall"]
        losses.append(f"{model} {overall['log_loss']:.4f}")
    return f"out-of-fold log loss: {', '.join(losses)}"


def chosen(run: Run) -> list[str]:
    """Baselines that the configuration names, in its order."""
    return [name for name in run.competition.models if name in BASELINES]


def _reads(run: Run) -> list[Path]:
    tables = [rows.table_path(run, "train"), rows.table_path(run, "test")]
    return [run.folds, run.features / "features.json", *tables]


STAGE = Stage(
    name="baselines",
    sections=(*SHARED_SECTIONS, "folds", "models", "features", *BASELINES[1:]),
    reads=_reads,
    writes=lambda run: outputs(run, chosen(run)),
    work=baselines,
    modules=lambda run: modules(chosen(run)),
)
