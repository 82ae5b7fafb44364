"""Fit the TF-IDF baselines on every fold.

Reads  clean/, folds.parquet, features/
Writes models/<model>/ for prior, logreg, svm and lightgbm, as far as they are chosen
"""

from pathlib import Path

from foldwise.config.roster import KINDS, modules
from foldwise.config.run import Run
from foldwise.crossval.assembly import fit_models, outputs
from foldwise.crossval.records import ModelRecord
from foldwise.crossval.stored import SHARED_SECTIONS
from foldwise.data.cleaned import table_path
from foldwise.features import memory
from foldwise.stages.stage import Stage


def baselines(run: Run) -> str:
    """Fit every chosen baseline on every fold."""
    models = chosen(run)
    if not models:
        return "no baseline chosen"
    memory.check_counts(run)
    fit_models(run, models, run.competition.jobs)
    losses = []
    for model in models:
        record = ModelRecord.read(run.model(model) / "metrics.json")
        losses.append(f"{model} {record.overall.log_loss:.4f}")
    return f"out-of-fold log loss: {', '.join(losses)}"


def chosen(run: Run) -> list[str]:
    """Baselines that the configuration names, in its order."""
    return [name for name in run.competition.models if not KINDS[name].is_transformer]


def _reads(run: Run) -> list[Path]:
    tables = [table_path(run, "train"), table_path(run, "test")]
    return [run.folds, run.features / "features.json", *tables]


SETTINGS = [k.name for k in KINDS.values() if k.has_settings and not k.is_transformer]
STAGE = Stage(
    name="baselines",
    sections=(*SHARED_SECTIONS, "folds", "models", "features", *SETTINGS),
    reads=_reads,
    writes=lambda run: outputs(run, chosen(run)),
    work=baselines,
    modules=lambda run: modules(chosen(run)),
)
