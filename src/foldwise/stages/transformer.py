"""Fit the transformers on every fold.

Reads  clean/, folds.parquet
Writes models/<model>/ for embedding and bert, as far as they are chosen
"""

from pathlib import Path

from foldwise.config.roster import KINDS, modules
from foldwise.config.run import Run
from foldwise.crossval import schedule
from foldwise.crossval.assembly import fit_models, outputs
from foldwise.crossval.records import ModelRecord
from foldwise.crossval.stored import SHARED_SECTIONS
from foldwise.data.cleaned import table_path
from foldwise.stages.stage import Stage


def transformer(run: Run) -> str:
    """Fit every chosen transformer on every fold."""
    models = chosen(run)
    if not models:
        return "no transformer chosen"
    # One fold at a time: it fills a GPU, and uses all cores where there is none.
    fit_models(run, [model for model in models if not KINDS[model].is_tuned], jobs=1)
    for model in models:
        if KINDS[model].is_tuned:
            schedule.fit(run, model)
    parts = []
    for model in models:
        record = ModelRecord.read(run.model(model) / "metrics.json")
        parts.append(f"{model} {record.overall.log_loss:.4f} on {record.device}")
    return f"out-of-fold log loss: {', '.join(parts)}"


def chosen(run: Run) -> list[str]:
    """Return the transformers that the configuration names, in its order."""
    return [name for name in run.competition.models if KINDS[name].is_transformer]


def _reads(run: Run) -> list[Path]:
    return [run.folds, table_path(run, "train"), table_path(run, "test")]


SETTINGS = [k.name for k in KINDS.values() if k.has_settings and k.is_transformer]
STAGE = Stage(
    name="transformer",
    sections=(*SHARED_SECTIONS, "folds", "models", *SETTINGS),
    reads=_reads,
    writes=lambda run: outputs(run, chosen(run)),
    work=transformer,
    modules=lambda run: modules(chosen(run)),
)
