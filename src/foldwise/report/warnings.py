"""What a reader must not miss: every warning of the report, and what is as it should be.

Reads  features/features.json, clean/audit.json, tune/<model>.json
"""

from pathlib import Path

import pandas as pd
from pydantic import JsonValue

from foldwise.config.run import Run
from foldwise.data.audit_record import Audit
from foldwise.features.rows import FeatureRecord
from foldwise.report.evidence import Evidence
from foldwise.report.gains import recalibrated_losses
from foldwise.scoring.clustered import Groups
from foldwise.scoring.leaks import Leaks
from foldwise.tuning.record import TuneRecord

_WORST_ECE = 0.1
_FEW_GROUPS = 50  # effective ones
_ALIKE = 0.9  # effective groups a group from which their sizes need no word
_TWINS = 0.01  # share of rows with a twin across folds from which a warning is due
_SHIFT = 0.65  # AUC of telling test rows from training rows
_TOO_GOOD = 0.02  # share of the prior's log loss
_NUMBER = 0.98  # AUC of a single number
_CHECKED_NUMBERS = ("place in the file", "id")


def find_warnings(
    evidence: Evidence, table: pd.DataFrame, leaks: Leaks | None, run: Run
) -> list[str]:
    """Return every sentence that a reader must not miss."""
    found = []
    scores = table.set_index("model")
    if "prior" in scores.index:
        prior = scores.loc["prior", "log_loss"]
        for name in scores.index.drop(["prior"]):
            loss = scores.loc[name, "log_loss"]
            if loss >= prior:
                found.append(f"{name} {_no_better(evidence, name)}")
            elif loss < _TOO_GOOD * prior:
                found.append(
                    f"{name} is too good to be true (log loss {loss:z.4f}): suspect a leak."
                )
    for name in scores.index:
        if scores.loc[name, "ece"] > _WORST_ECE:
            found.append(
                f"{name} is badly calibrated: its confidence is off by "
                f"{scores.loc[name, 'ece']:.2f} on average."
            )
    found += _leak_warnings(leaks, len(evidence.labels))
    found += _of_few_groups(evidence.bootstrap)
    for name, record in evidence.models.items():
        found += [f"{name}: {note}" for note in record.notes if not _expected(note)]
    found += tuned_settings(run)
    features = FeatureRecord.read_if_there(run.features / "features.json")
    found += features.notes if features else []
    for table in Audit.read(run.clean / "audit.json").tables.values():
        found += table.warnings
    if not run.competition.folds.stratify:
        found.append("The folds were drawn without regard to the classes.")
    return found


def _of_few_groups(groups: Groups) -> list[str]:
    """Warn where the intervals rest on few groups, or on few large ones."""
    n, effective, largest = groups.n_groups, groups.effective, groups.sizes.max()
    if effective >= _FEW_GROUPS:
        return []
    if n == 1:
        return ["All rows are of one group: nothing here has an interval, and nothing is proven."]
    if effective > _ALIKE * n:
        return [f"Only {n} groups: every interval here is a rough one."]
    return [
        f"{n:,} groups, but of such different sizes that they say as much as {effective:.0f} of "
        f"equal size (the largest holds {100 * largest / groups.sizes.sum():.0f} % of the rows): "
        "every interval here is a rough one."
    ]


def _no_better(evidence: Evidence, name: str) -> str:
    """Say why a model's log loss is no lower than that of the class frequencies."""
    loss = recalibrated_losses(evidence, name)
    gain = evidence.losses["prior"] - loss
    if evidence.bootstrap.interval_of_mean(gain)[0] > 0:
        return (
            "is over-confident: no lower log loss than the class frequencies alone, but "
            f"{loss.mean():.4f} recalibrated."
        )
    return "did not learn: no lower log loss than the class frequencies alone."


def remarks(evidence: Evidence) -> list[str]:
    """Return what the models noted that is as it should be."""
    return [
        f"{name}: {note}"
        for name, record in evidence.models.items()
        for note in record.notes
        if _expected(note)
    ]


def _leak_warnings(leaks: Leaks | None, n: int) -> list[str]:
    if leaks is None:
        return []
    found = []
    for twins in leaks.twins:
        rows = twins.exact_across_folds + twins.near_across_folds
        # In a pair the answers may repeat; the whole row, or an only text, may not.
        if twins is leaks.twins[-1] and rows > _TWINS * n:
            found.append(
                f"Leak suspected: {rows:,} rows ({100 * rows / n:.1f} %) have an exact or near "
                "twin in another fold; group by what they share (data.group)."
            )
    for giveaway in leaks.giveaways:
        if giveaway.suspected:
            where = f"{giveaway.what} in {giveaway.text}" if giveaway.text else giveaway.what
            found.append(
                f"Leak suspected: {where} alone explains {100 * giveaway.share:.0f} % of what can "
                f"be gained over the class frequencies; it marks {giveaway.rows:,} rows, "
                f"{100 * giveaway.in_class:.0f} % of class {giveaway.label!r} and "
                f"{100 * giveaway.elsewhere:.0f} % of the rest."
            )
    for number in leaks.numbers:
        if number.auc >= _NUMBER and number.number not in _CHECKED_NUMBERS:
            found.append(
                f"Leak suspected: {number.number} alone tells class {number.label!r} "
                f"(AUC {number.auc:.3f})."
            )
    shift = leaks.shift
    if shift and shift.low > _SHIFT:
        found.append(
            f"Train and test differ: a quick model tells them apart with AUC {shift.auc:.3f} "
            f"({shift.low:.3f} to {shift.high:.3f}); the test score may be another one."
        )
    return found


def _expected(note: str) -> bool:
    # A new classification head is what fine-tuning starts from; all else is worth a warning.
    return "head" in note and ("is new" in note or "newly initialised" in note)


def tuned_path(run: Run, model: str) -> Path:
    """Path of what `tune` found for a model."""
    return run.output / "tune" / f"{model}.json"


def tuned_settings(run: Run) -> list[str]:
    """Return a sentence for each model that was run with the settings that `tune` found."""
    found = []
    for model in run.competition.models:
        record = TuneRecord.read_if_there(tuned_path(run, model))
        if record and _is_used(run, model, record.values):
            found.append(
                f"{model}: its settings are the best of {record.trials} trials of tune on "
                f"these very folds, so its score is optimistic{_by_how_much(record)}"
            )
    return found


def _is_used(run: Run, model: str, values: dict[str, JsonValue]) -> bool:
    section = run.competition.section(model)[model]
    return all(section.get(key) == value for key, value in values.items())


def _by_how_much(record: TuneRecord) -> str:
    if record.nested is None:
        return "; tune --nested says by how much."
    return (
        f": {record.metric} {record.nested:.4f} where they are chosen without the fold they "
        f"are judged on, against {record.tuned:.4f} (difference {record.optimism:+.4f})."
    )
