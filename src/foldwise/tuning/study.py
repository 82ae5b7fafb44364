"""Tune the settings of one model with Optuna (an optional package) on the frozen folds.

Reads  clean/, folds.parquet, features/
Writes tune/journal.log (every trial, shared by all workers), tune/<model>.json,
       tune/<model>.toml (the winner, for `run --override`; only if it beats the defaults)

A trial is scored like a model of the pipeline: fitted without a fold, judged on it, fold after
fold, and given up where it is worse than the median of the others. The best of many scores on
the same folds flatters itself; the nested score chooses again without each fold and is honest.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from foldwise.config.overrides import as_toml
from foldwise.config.run import Unit
from foldwise.crossval.stored import fit_key
from foldwise.errors import UserError
from foldwise.files import remove, write_text
from foldwise.hashing import content_hash
from foldwise.scoring import bootstrap, metrics
from foldwise.terminal import track
from foldwise.tuning.record import TuneRecord
from foldwise.tuning.trial import Tuner

_STARTUP_TRIALS = 5  # before the median of the others means anything


def tune(tuner: Tuner, trials: int, nested: bool) -> TuneRecord:
    """Run trials until there are `trials` finished ones, and say what they are worth.

    Parameters
    ----------
    tuner : Tuner
        The model and its data.
    trials : int
        Finished trials in the end, those of earlier runs and of other workers included.
    nested : bool
        Whether to choose again without each fold: n + 1 times the work.
    """
    optuna = _optuna()
    folds = sorted(set(tuner.fold.tolist()))
    default, best = _search(optuna, tuner, trials, folds, None)
    sign = 1 if tuner.run.competition.metric == "log_loss" else -1
    judged = _nested(optuna, tuner, trials, folds, best.value) if nested else {}
    report = TuneRecord(
        model=tuner.model,
        metric=tuner.run.competition.metric,
        trials=trials,
        default=sign * default,
        tuned=sign * best.value,
        tuned_is_optimistic="the best of many scores on the same folds",
        values=tuner.as_setting(best.params),
        improves=best.value < default,
        **judged,
    )
    folder = tuner.run.output / "tune"
    report.write(folder / f"{tuner.model}.json")
    override = folder / f"{tuner.model}.toml"
    if report.improves:
        comment = (
            f"{report.metric} {report.tuned:.4f} against {report.default:.4f} with the "
            f"defaults, the best of {trials} trials on the same folds: optimistic."
        )
        write_text(override, as_toml({tuner.model: report.values}, comment))
    else:
        remove(override)
    return report


def describe(report: TuneRecord, override: Path) -> list[str]:
    """Return the report as lines for a terminal."""
    metric, name = report.metric, report.model
    lines = [
        f"{name}: {metric} {report.default:.4f} with the defaults, {report.tuned:.4f} tuned "
        f"(best of {report.trials} trials on the same folds: optimistic)"
    ]
    if report.nested is not None:
        low, high = report.difference_low, report.difference_high
        lines.append(
            f"nested (chosen without the fold it is judged on): {report.nested:.4f}; the tuned "
            f"score is optimistic by {report.optimism:.4f}"
        )
        reading = "not told apart from"
        if high < 0:
            reading = "better than"
        elif low > 0:
            reading = "worse than"
        lines.append(
            f"log loss nested minus defaults: {report.difference:+.4f} "
            f"({low:+.4f} to {high:+.4f} over groups): {reading} the defaults"
        )
    else:
        lines.append("by how much it is optimistic: --nested")
    if report.improves:
        lines.append(f"the winner: run with --override {override}")
    else:
        lines.append("no trial beats the defaults: nothing to override")
    return lines


def _search(
    optuna: Any, tuner: Tuner, trials: int, folds: Sequence[int], without: int | None
) -> tuple[float, Any]:
    """Complete a study; return the score of the defaults and the best trial."""
    study = _study(optuna, tuner, without)
    if "default" not in study.user_attrs:
        found = {k: tuner.score(tuner.predict({}, k, without), k) for k in folds}
        study.set_user_attr("default", tuner.mean(found))
    finished = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)
    label = f"tuning {tuner.model}" + ("" if without is None else f" without fold {without}")

    def missing() -> Iterator[int]:
        while (done := len(study.get_trials(deepcopy=False, states=finished))) < trials:
            yield done

    left = trials - len(study.get_trials(deepcopy=False, states=finished))
    for _ in track(missing(), label, total=max(0, left)):
        _trial(optuna, tuner, study, folds, without)
    return study.user_attrs["default"], study.best_trial


def _trial(
    optuna: Any, tuner: Tuner, study: Any, folds: Sequence[int], without: int | None
) -> None:
    trial = study.ask()
    # A seed of the trial's own: workers side by side must not draw the same values.
    seed = tuner.run.competition.seed + trial.number
    study.sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
    values = {key: span.suggest(trial, key) for key, span in tuner.space.items()}
    found: dict[int, float] = {}
    for step, k in enumerate(folds):
        found[k] = tuner.score(tuner.predict(values, k, without), k)
        trial.report(tuner.mean(found), step)
        if step + 1 < len(folds) and trial.should_prune():
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            return
    study.tell(trial, tuner.mean(found))


def _nested(
    optuna: Any, tuner: Tuner, trials: int, folds: Sequence[int], tuned: float
) -> dict[str, float]:
    """Choose values without each fold in turn and judge them on it."""
    found: dict[int, float] = {}
    shape = (len(tuner.data), len(tuner.classes))
    chosen, plain = np.zeros(shape), np.zeros(shape)
    for k in folds:
        default, best = _search(optuna, tuner, trials, [j for j in folds if j != k], k)
        values = best.params if best.value < default else {}
        place = tuner.fold == k
        chosen[place], plain[place] = tuner.predict(values, k, None), tuner.predict({}, k, None)
        found[k] = tuner.score(chosen[place], k)
    losses = [metrics.row_log_loss(tuner.data.labels, p) for p in (chosen, plain)]
    competition = tuner.run.competition
    difference, low, high = bootstrap.paired_difference(
        *losses,
        tuner.data.groups,
        confidence=competition.report.confidence,
    )
    sign = 1 if competition.metric == "log_loss" else -1
    return {
        "nested": sign * tuner.mean(found),
        "optimism": tuner.mean(found) - tuned,
        "difference": difference,
        "difference_low": low,
        "difference_high": high,
    }


def _study(optuna: Any, tuner: Tuner, without: int | None) -> Any:
    folder = tuner.run.output / "tune"
    folder.mkdir(parents=True, exist_ok=True)
    journal = optuna.storages.journal.JournalFileBackend(str(folder / "journal.log"))
    # Other data, folds, settings or code: another study.
    key = content_hash(
        fit_key(tuner.run, Unit(tuner.model, 0)),
        {name: span.model_dump() for name, span in tuner.space.items()},
    )
    name = f"{tuner.model}-{key[:12]}" + ("" if without is None else f"-without-{without}")
    return optuna.create_study(
        study_name=name,
        storage=optuna.storages.JournalStorage(journal),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=_STARTUP_TRIALS),
        load_if_exists=True,
    )


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise UserError(
            "tune needs the package optuna: pip install -r requirements-cluster.txt"
        ) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
