"""What the numbers say, in sentences that hold whatever the numbers are.

Between two models one is "better" where the table of differences says so: beyond its interval and
corrected for the number of comparisons. Those are differences in log loss, whatever the metric
is, and each sentence says it.
"""

import numpy as np
import pandas as pd

from foldwise.config.run import Run
from foldwise.report.facts import Cost, Lever, Numbers, ScoredDifference
from foldwise.scoring.intervals import Gain
from foldwise.scoring.significance import is_clear


def levers(numbers: Numbers) -> list[Lever]:
    """Return what could be done next with what it was measured to gain, the largest first.

    What nobody has tried comes last, with a number that only says how much is at stake.
    """
    found = [
        Lever(
            lever=f"recalibrate {display_name(numbers.focus)}",
            means="a temperature and a bias for each class, fitted on the other folds",
            measured=True,
            **dict(numbers.recalibration),
        )
    ]
    curve = numbers.learning_curve
    for model, gain in (curve.last_doubling if curve else {}).items():
        means = f"what the second half of the training rows bought {model}"
        found.append(
            Lever(lever=f"more data for {model}", means=means, measured=True, **dict(gain))
        )
    worst = numbers.worst_slice
    if worst:
        found.append(
            Lever(
                lever=f"work on the worst slice, {worst.respect}: {worst.slice}",
                means="a yardstick, not a forecast: if these rows became as easy as the average",
                measured=False,
                gain=worst.share * worst.gap,
                low=worst.share * worst.low_of_all,
                high=worst.share * worst.high_of_all,
            )
        )
    return sorted(found, key=lambda lever: (not lever.measured, -lever.gain))


def verdict(table: pd.DataFrame, numbers: Numbers, levers: list[Lever], run: Run) -> list[str]:
    """Return the result in words.

    Parameters
    ----------
    table : DataFrame
        The leaderboard.
    numbers : Numbers
    levers : list of Lever
        What `levers` returned.
    run : Run
    """
    metric, found = run.competition.metric, numbers.differences
    singles = table[~table["model"].isin(["prior", "ensemble"])]
    if singles.empty:
        return ["Only the class frequencies were fitted: there is nothing to compare."]
    up = metric != "log_loss"
    best = singles.sort_values(metric, ascending=not up, kind="stable").iloc[0]
    name = metric.replace("_", " ")
    level = f"{100 * run.competition.report.confidence:.0f} %"
    alpha = 1 - numbers.confidence
    how = "as given" if numbers.foreign else "out of fold"
    said = [f"The best single model is {best['model']}: {name} {best[metric]:z.4f} {how}."]
    said += _runner_up(best["model"], singles, found, alpha)
    said.append(_ensemble(best["model"], found, level, alpha))
    if "prior" in set(table["model"]):
        against = next(d for d in found if {d.better, d.other} == {best["model"], "prior"})
        if against.better == best["model"] and is_clear(against, alpha):
            said.append(
                f"Against the class frequencies {best['model']} gains {against.difference:z.4f} "
                f"in log loss ({_ends(against)})."
            )
        else:
            said.append(
                f"In log loss {best['model']} is not clearly better than the class frequencies."
            )
    weights = numbers.ensemble.weights
    unused = [model for model, weight in weights.items() if weight == 0]
    if unused:
        said.append(f"Without weight in the blend: {_listed(unused)}.")
    said += _spare(numbers.left_out, numbers.costs)
    said += _cost(numbers.costs, best["model"], numbers.price_per_hour)
    worst = numbers.worst_slice
    if worst:
        said.append(
            f"The worst slice is “{worst.respect}: {worst.slice}” ({worst.rows:,} rows): "
            f"there the log loss of {display_name(numbers.focus)} is {worst.gap:z.4f} higher "
            f"than on all rows ({worst.low_of_all:z.4f} to {worst.high_of_all:z.4f}, with all "
            "slices looked at)."
        )
    curve_is_possible = numbers.learning_curve is None and not numbers.foreign
    said.append(_next(levers, curve_is_possible))
    return said


def _runner_up(
    best: str, singles: pd.DataFrame, found: list[ScoredDifference], alpha: float
) -> list[str]:
    """Say in log loss, whatever the metric: its differences are what the table corrects."""
    others = set(singles["model"]) - {best}
    pairs = [(d, {d.better, d.other}) for d in found]
    pairs = [(d, (names - {best}).pop()) for d, names in pairs if best in names]
    pairs = [(d, other) for d, other in pairs if other in others]
    ahead = [other for d, other in pairs if d.better == other and is_clear(d, alpha)]
    level = [other for d, other in pairs if not is_clear(d, alpha)]
    said = [f"In log loss {_listed(ahead)} {_is(ahead)} better than it."] if ahead else []
    if level:
        said.append(f"In log loss these rows do not tell it from {_listed(level)}.")
    elif pairs and not ahead:
        said.append(
            "In log loss its lead over every other single model is beyond the interval, corrected "
            "for the number of comparisons."
        )
    return said


def _ensemble(best: str, found: list[ScoredDifference], level: str, alpha: float) -> str:
    pair = next(d for d in found if {d.better, d.other} == {best, "ensemble"})
    span = f"{pair.difference:z.4f} ({level} interval {_ends(pair)})"
    if pair.better != "ensemble":
        return f"In log loss the ensemble is not better than it: higher by {span}."
    if is_clear(pair, alpha):
        return f"In log loss the ensemble is better than it: lower by {span}."
    doubt = "the interval holds zero"
    if pair.low > 0:
        doubt = f"with so many comparisons that may be luck (p = {pair.p_holm:.3f}, corrected)"
    return (
        f"The ensemble's log loss is lower by {span}: {doubt}, so these rows do not show that it "
        "is better."
    )


def _cost(costs: list[Cost], best: str, price: float) -> list[str]:
    by_model = {cost.model: cost for cost in costs}
    single, blend = by_model[best], by_model["ensemble"]
    if single.train_seconds is None or blend.train_seconds is None:
        return []
    said = f"Training took {_seconds(single.train_seconds)} for {best}, "
    said += f"{_seconds(blend.train_seconds)} for the ensemble with its members"
    if price:
        said += f" ({single.money:.2f} and {blend.money:.2f} at {price:.2f} an hour)"
    return [f"{said}."]


def _seconds(value: float) -> str:
    return f"{value:,.1f} s" if value < 120 else f"{value / 60:,.1f} min"


def _next(found: list[Lever], curve_is_possible: bool) -> str:
    measured = [lever for lever in found if lever.measured]
    clear = [lever for lever in measured if lever.low > 0]
    if clear:
        first = clear[0]
        return (
            f"Do next: {first.lever}. It is the largest lever measured here, "
            f"{first.gain:z.4f} in log loss ({_ends(first)}): {first.means}."
        )
    tried = "; ".join(f"{lever.lever} {lever.gain:z.4f}, {_ends(lever)}" for lever in measured)
    said = (
        "Do next: another kind of model. No lever measured here is clearly above zero in log loss "
        f"({tried})"
    )
    if curve_is_possible:
        said += "; what more data would bring, --learning-curve measures"
    stake = next((lever for lever in found if not lever.measured), None)
    if stake:
        said += (
            f". Most is at stake in the worst slice: {stake.gain:z.4f} of log loss if its rows "
            "became as easy as the average"
        )
    return f"{said}."


def display_name(model: str) -> str:
    """Return how a sentence calls a model."""
    return "the ensemble" if model == "ensemble" else model


def _spare(left_out: dict[str, Gain], costs: list[Cost]) -> list[str]:
    """Name the model that the blend would miss least, if that is not beyond doubt at all."""
    spare = {model: gain for model, gain in left_out.items() if gain.low <= 0}
    if not spare:
        return []
    model, gain = min(spare.items(), key=lambda item: item[1].gain)
    seconds = next(cost.train_seconds for cost in costs if cost.model == model)
    saved = "" if seconds is None else f", and its training by -{_seconds(seconds)}"
    return [
        f"{model} may go: without it the blend's log loss changes by {gain.gain:+z.4f} "
        f"({_ends(gain)}){saved}."
    ]


def _ends(found: ScoredDifference | Lever | Gain) -> str:
    if np.isinf(found.low):
        return "unknown with a single group"
    return f"{found.low:z.4f} to {found.high:z.4f}"


def _is(names: list[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _listed(names: list[str]) -> str:
    """Join names: "a, b and c"."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
