"""`report.json`: every number and every sentence of a report, as one type."""

from foldwise.config.manifest import Manifest
from foldwise.config.record import High, Low, Number, Record
from foldwise.crossval.learning_curve import LearningCurve
from foldwise.crossval.records import FoldRecord
from foldwise.data.audit_record import Audit
from foldwise.ensemble.blend_record import BlendRecord
from foldwise.report.examples import ClassExamples
from foldwise.report.findings import ClassReport, ErrorCorrelation, SeedNoise
from foldwise.report.leaderboard import BayesFloor, LeaderboardRow
from foldwise.report.slices import Slice
from foldwise.scoring.intervals import F1Difference, Gain
from foldwise.scoring.leaks import Leaks
from foldwise.scoring.significance import Difference


class ScoredDifference(F1Difference, Difference):
    """Two models on the same rows, by log loss, accuracy and macro-F1."""


class Cost(Record):
    """What a model costs; None where it was made elsewhere."""

    model: str
    train_seconds: Number
    seconds_per_1000_rows: Number
    peak_memory_mb: Number
    device: str
    money: Number


class Lever(Record):
    """What could be done next, with what it is worth."""

    lever: str
    means: str  # what the number says
    measured: bool  # or no more than a ceiling
    gain: Number
    low: Low
    high: High


class Numbers(Record):
    """What was measured, counted and read."""

    title: str
    name: str
    metric: str
    simulated: bool
    foreign: dict[str, str] | None  # file of each model, where they were made elsewhere
    confidence: float
    bootstrap: int  # draws
    price_per_hour: float
    classes: list[str]
    n_rows: int
    n_groups: int
    effective_groups: float  # of equal size, that would say as much
    focus: str  # the model with the lowest log loss: the one whose rows are looked at
    leaderboard: list[LeaderboardRow]
    intervals: dict[str, dict[str, list[Number]]]  # low and high, by model and score
    bayes: BayesFloor | None
    differences: list[ScoredDifference]
    seed_noise: dict[str, SeedNoise]
    costs: list[Cost]
    fold_log_loss: dict[str, list[Number]]
    fold_details: dict[str, list[FoldRecord]]
    fold_sizes: list[int]
    ensemble: BlendRecord
    left_out: dict[str, Gain]  # what the blend loses without each model
    error_correlation: ErrorCorrelation
    recalibration: Gain
    learning_curve: LearningCurve | None
    class_reports: dict[str, ClassReport]
    slices: list[Slice]
    shown_slices: int
    worst_slice: Slice | None
    examples: dict[str, ClassExamples]
    leaks: Leaks | None
    audit: Audit
    manifest: Manifest | None


class Facts(Numbers):
    """The numbers, and what they say."""

    levers: list[Lever]
    verdict: list[str]
    warnings: list[str]
    remarks: list[str]
