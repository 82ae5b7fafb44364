"""The leaderboard: a row a model and the ensemble, and how it looks in a terminal."""

from pathlib import Path

import pandas as pd
from pydantic import ConfigDict

from foldwise.config.record import Number, Record
from foldwise.config.roster import display_rank
from foldwise.config.run import Run
from foldwise.crossval.records import ModelRecord
from foldwise.ensemble.blend_record import BlendRecord

COLUMNS = (
    "model", "log_loss", "log_loss_low", "log_loss_high", "accuracy", "precision_macro",
    "recall_macro", "f1_macro", "ece", "train_seconds", "predict_seconds", "peak_memory_mb",
    "device",
)  # fmt: skip


class LeaderboardRow(Record):
    """A model's scores and costs; None where it was made elsewhere at a cost not known."""

    model: str
    log_loss: Number
    log_loss_low: Number
    log_loss_high: Number
    accuracy: Number
    precision_macro: Number
    recall_macro: Number
    f1_macro: Number
    ece: Number
    train_seconds: Number
    predict_seconds: Number
    peak_memory_mb: Number
    device: str


class BayesFloor(Record):
    """What a simulated competition allows: its truth is known."""

    log_loss: float
    share_of_the_way: dict[str, Number]  # from the class frequencies to the floor, by model
    expected_test_log_loss: Number  # of the submission
    test_floor: Number = None


class _Headline(Record):
    """What the terminal takes from `report.json`."""

    model_config = ConfigDict(extra="ignore")

    foreign: dict[str, str] | None
    confidence: float
    bayes: BayesFloor | None


def order(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Sort the models: the prior first, then by the deciding metric, the ensemble last."""
    keys = pd.DataFrame(
        {
            "place": table["model"].map(display_rank),
            "score": table[metric] if metric == "log_loss" else -table[metric],
        }
    )
    return table.loc[keys.sort_values(["place", "score"], kind="stable").index, list(COLUMNS)]


def render_leaderboard(output: Path) -> str:
    """Return the leaderboard of a finished run as aligned text of at most 100 columns."""
    table = pd.read_csv(output / "leaderboard.csv")
    facts = _Headline.read_if_there(output / "report.json")
    wide = max(11, *(len(name) + 1 for name in table["model"]))
    head = (
        f"{'model':<{wide}}{'log loss':>9}  {'95 % interval':<17}{'accuracy':>8}{'F1':>7}{'ECE':>7}"
    )
    lines = [f"{head}{'train s':>9}{'memory MB':>11}  device"]
    if facts:
        lines[0] = lines[0].replace("95 %", f"{100 * facts.confidence:.0f} %")
    for row in table.itertuples(index=False):
        interval = f"{_known(row.log_loss_low, 4)} – {_known(row.log_loss_high, 4)}"
        lines.append(
            f"{row.model:<{wide}}{row.log_loss:>9.4f}  {interval:<17}{row.accuracy:>8.3f}"
            f"{row.f1_macro:>7.3f}{row.ece:>7.3f}{_known(row.train_seconds, 1):>9}"
            f"{_known(row.peak_memory_mb, 0):>11}  {row.device}"
        )
    if facts and facts.bayes:
        lines.append(
            f"{'Bayes floor':<{wide}}{facts.bayes.log_loss:>9.4f}  simulated arena, not human votes"
        )
    if facts and facts.foreign:
        lines.append("predictions made elsewhere: that they are out of fold is taken on trust")
    else:
        lines.append("out of fold: every row is scored by models that never saw it or its group")
    return "\n".join(lines)


def blends(run: Run) -> str:
    """Return the models' scores, every candidate's nested one and the weights as aligned text."""
    record = BlendRecord.read(run.ensemble / "weights.json")
    weights = record.weights
    wide = max(22, *(len(name) + 2 for name in weights))
    lines = [f"{'out of fold':<{wide}}{'log loss':>9}{'accuracy':>10}{'weight':>8}"]
    for name, weight in weights.items():
        own = ModelRecord.read(run.model(name) / "metrics.json").overall
        lines.append(f"{name:<{wide}}{own.log_loss:>9.4f}{own.accuracy:>10.4f}{weight:>8.3f}")
    lines += ["", f"{'blend, judged nested':<{wide}}{'log loss':>9}"]
    for tried in record.methods:
        used = "  used" if tried.method == record.method else ""
        lines.append(f"{tried.title:<{wide}}{tried.nested_log_loss:>9.4f}{used}")
    return "\n".join(lines)


def _known(value: float, digits: int) -> str:
    return "–" if pd.isna(value) else f"{value:,.{digits}f}"
