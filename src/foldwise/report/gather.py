"""A report's facts, gathered in one place from the evidence."""

import numpy as np
import pandas as pd

from foldwise.config.manifest import Manifest
from foldwise.config.run import Run
from foldwise.crossval.learning_curve import LearningCurve, learning_curve
from foldwise.data.audit_record import Audit
from foldwise.data.cleaned import table_path
from foldwise.ensemble.insample import Suspicion, suspicions
from foldwise.ensemble.pools import Blend
from foldwise.report import examples, findings, gains, slices, verdict, warnings
from foldwise.report.evidence import Evidence, Intervals
from foldwise.report.facts import Cost, Facts, Numbers, ScoredDifference
from foldwise.report.findings import SeedNoise
from foldwise.report.leaderboard import LeaderboardRow
from foldwise.scoring.intervals import f1_differences
from foldwise.scoring.leaks import Leaks
from foldwise.scoring.significance import Difference, differences

_SLICES = 40  # shown in the page; report.json has all


def gather(evidence: Evidence, table: pd.DataFrame, intervals: Intervals, run: Run) -> Facts:
    """Return everything that a report says.

    Parameters
    ----------
    evidence : Evidence
    table : DataFrame
        The leaderboard.
    intervals : dict of str to dict
        As `score_table` returns them.
    run : Run
    """
    numbers = _numbers(evidence, table, intervals, run)
    levers = verdict.levers(numbers)
    suspected = _suspected(evidence, numbers)
    trusted = table[~table["model"].isin([suspicion.model for suspicion in suspected])]
    doubts = [suspicion.sentence for suspicion in suspected]
    return Facts(
        **dict(numbers),
        levers=levers,
        verdict=doubts + verdict.verdict(trusted, numbers, levers, run),
        warnings=doubts + warnings.find_warnings(evidence, table, numbers.leaks, run),
        remarks=warnings.remarks(evidence),
    )


def _suspected(evidence: Evidence, numbers: Numbers) -> list[Suspicion]:
    """Return the files made elsewhere that look in-sample."""
    given = {name: evidence.probabilities[name] for name in numbers.foreign or {}}
    return suspicions(evidence.labels, given, evidence.folds)


def _numbers(evidence: Evidence, table: pd.DataFrame, intervals: Intervals, run: Run) -> Numbers:
    competition, focus, n = run.competition, evidence.focus, len(evidence.labels)
    audit, texts = Audit.read(run.clean / "audit.json"), _texts(run)
    noise = findings.seed_noise(evidence)
    columns = slices.slice_columns(texts, evidence.labels, evidence.classes, competition.pair)
    by_slice = slices.slice_table(
        columns, evidence.losses, evidence.right, focus, evidence.bootstrap
    )
    return Numbers(
        title=competition.title or competition.name,
        name=competition.name,
        metric=competition.metric,
        simulated=competition.simulate.train_rows > 0,
        foreign=audit.foreign,
        confidence=competition.report.confidence,
        bootstrap=competition.report.bootstrap,
        price_per_hour=competition.report.price_per_hour,
        classes=evidence.classes,
        n_rows=n,
        n_groups=evidence.bootstrap.n_groups,
        effective_groups=evidence.bootstrap.effective,
        focus=focus,
        leaderboard=[LeaderboardRow(**row) for row in table.to_dict("records")],
        intervals=intervals,
        bayes=findings.bayes_floor(evidence, run, table),
        differences=_differences(evidence, table, noise),
        seed_noise=noise,
        costs=_costs(table, n, competition.report.price_per_hour),
        fold_log_loss=findings.fold_losses(evidence),
        fold_details={name: record.folds for name, record in evidence.models.items()},
        fold_sizes=np.bincount(evidence.folds).tolist(),
        ensemble=evidence.blend,
        left_out=gains.leave_one_out(
            evidence, Blend.configured(evidence.blend.method, evidence.classes, competition)
        ),
        error_correlation=findings.error_correlation(evidence),
        recalibration=gains.recalibration(evidence, focus),
        learning_curve=_learning_curve(evidence, audit, run),
        class_reports=findings.class_reports(evidence),
        slices=by_slice,
        shown_slices=_SLICES,
        worst_slice=slices.worst(by_slice),
        examples=examples.examples(evidence, texts),
        leaks=Leaks.read_if_there(run.output / "leaks.json"),
        audit=audit,
        manifest=Manifest.read_if_there(run.output / "manifest.json"),
    )


def _differences(
    evidence: Evidence, table: pd.DataFrame, noise: dict[str, SeedNoise]
) -> list[ScoredDifference]:
    """Compare every two models; a difference within the band of seed noise is called so."""
    found = differences(evidence.losses, evidence.right, evidence.bootstrap)
    f1 = dict(zip(table["model"], table["f1_macro"], strict=True))
    pairs = [(pair.better, pair.other) for pair in found]
    more = f1_differences(pairs, f1, evidence.pseudo_values, evidence.bootstrap)
    return [
        ScoredDifference(**dict(_within_noise(pair, noise)), **dict(of_f1))
        for pair, of_f1 in zip(found, more, strict=True)
    ]


def _within_noise(pair: Difference, noise: dict[str, SeedNoise]) -> Difference:
    names = {pair.better, pair.other}
    band = max((entry.band for entry in noise.values() if names & set(entry.models)), default=0.0)
    if pair.difference >= band:
        return pair
    return pair.replace(reading=f"{pair.reading}; within seed noise")


def _learning_curve(evidence: Evidence, audit: Audit, run: Run) -> LearningCurve | None:
    """Return the learning curve where it is asked for and there is something to fit."""
    if not run.competition.report.learning_curve or audit.foreign:
        return None
    return learning_curve(run, evidence.labels, evidence.losses, evidence.bootstrap)


def _texts(run: Run) -> dict[str, np.ndarray]:
    """Return the text columns; none where the predictions came without texts."""
    table = pd.read_parquet(table_path(run, "train"))
    return {
        name: table[name].to_numpy(dtype=object)
        for name in run.competition.data.text
        if name in table
    }


def _costs(table: pd.DataFrame, n: int, price: float) -> list[Cost]:
    timed = table.astype({"train_seconds": float, "predict_seconds": float})
    return [
        Cost(
            model=row["model"],
            train_seconds=row["train_seconds"],
            seconds_per_1000_rows=1000 * row["predict_seconds"] / n,
            peak_memory_mb=row["peak_memory_mb"],
            device=row["device"],
            money=price * row["train_seconds"] / 3600,
        )
        for row in timed.to_dict("records")
    ]
