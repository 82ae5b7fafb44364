"""Figures of what the comparison found: differences, slices, calibration, learning curve."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from foldwise.crossval.learning_curve import CurvePoint
from foldwise.report.facts import ScoredDifference
from foldwise.report.slices import Slice
from foldwise.report.style import (
    COLOURS,
    ON_COLOUR,
    STYLE,
    WIDTH,
    ink,
    legend_below,
    looks,
    plain,
    short,
)
from foldwise.scoring import metrics
from foldwise.scoring.bootstrap import GroupBootstrap
from foldwise.scoring.intervals import Gain

_MOST = 28  # lines of a forest plot
_BINS = 10  # of the reliability diagram
_LONG = 28  # characters of a label from which it takes two lines


class _Interval(Protocol):
    low: float
    high: float


def draw_differences(pairs: Sequence[ScoredDifference], noise: float | None) -> Figure:
    """Draw every paired difference with its interval, and the band of seed noise if it is known.

    Those to the prior, many times as large, are left to the table where there are others.
    """
    pairs = [pair for pair in pairs if "prior" not in (pair.better, pair.other)] or pairs
    names = [f"{pair.other} − {pair.better}" for pair in pairs]
    if max(map(len, names)) > _LONG:
        names = [f"{pair.other}\n− {pair.better}" for pair in pairs]
    gaps = [pair.difference for pair in pairs]
    figure = _forest(names, pairs, gaps, "difference in log loss, nats")
    if noise is not None:
        axes = figure.axes[0]
        axes.axvspan(-noise, noise, color="#888888", alpha=0.25, linewidth=0)
        axes.annotate(
            "seed noise", (noise, 1), xycoords=("data", "axes fraction"), xytext=(3, -2),
            textcoords="offset points", va="top",
        )  # fmt: skip
    return figure


def draw_slices(table: Sequence[Slice], focus: str) -> Figure:
    """Draw how much worse or better than on all rows a model is on each slice."""
    shown = [entry for entry in table if entry.low is not None]
    names = [entry.slice for entry in shown]
    heads = [entry.respect for entry in shown]
    what = f"log loss of {plain([focus])[0]} less that on all rows, nats"
    return _forest(names, shown, [entry.gap for entry in shown], what, heads)


def draw_left_out(gains: dict[str, Gain]) -> Figure:
    """Draw how much worse the blend is without each of its models."""
    lost, names = list(gains.values()), list(gains)
    return _forest(names, lost, [gain.gain for gain in lost], "log loss lost without it, nats")


def draw_error_correlation(models: Sequence[str], table: Sequence[Sequence[float]]) -> Figure:
    """Draw how alike the models' row losses are: low numbers make a blend worth while."""
    values = np.array(table)
    with plt.rc_context(STYLE | {"axes.grid": False}):
        size = 2.4 + 0.5 * len(models)
        figure, axes = plt.subplots(figsize=(size, size * 0.82))
        lowest = np.floor(10 * values.min()) / 10  # a scale from 0 would show one colour
        image = axes.imshow(values, cmap="cividis", vmin=lowest, vmax=1)
        places = range(len(models))
        axes.set_xticks(places, [short(name) for name in models], rotation=30, ha="right")
        axes.set_yticks(places, [short(name) for name in models])
        for (i, j), value in np.ndenumerate(values):
            axes.text(
                j, i, f"{value:.2f}", ha="center", va="center", color=ink(image, value), fontsize=9,
                gid=ON_COLOUR,
            )  # fmt: skip
        figure.colorbar(image, ax=axes, label="correlation of row losses", shrink=0.8)
    return figure


def draw_learning_curve(points: Sequence[CurvePoint]) -> Figure:
    """Draw log loss against training rows, on a logarithmic axis."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(WIDTH, 3.8))
        models = list(dict.fromkeys(point.model for point in points))
        style = looks(models)
        for model in models:
            mine = [point for point in points if point.model == model]
            losses = np.array([point.log_loss for point in mine])
            reach = np.abs([[p.low, p.high] for p in mine] - losses[:, None]).T
            axes.errorbar(
                [point.rows for point in mine], losses, yerr=reach, capsize=3,
                label=plain([model])[0], **style[model],
            )  # fmt: skip
        axes.set_xscale("log", base=2)
        ticks = sorted({point.rows for point in points if point.model == models[0]})
        axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
        axes.minorticks_off()
        axes.set_xlabel("training rows of a fold")
        axes.set_ylabel("log loss out of fold, nats")
        legend_below(figure, axes)
    return figure


def draw_reliability(
    labels: np.ndarray, probabilities: dict[str, np.ndarray], bootstrap: GroupBootstrap
) -> Figure:
    """Draw accuracy against confidence of the predicted class, and how many rows are how sure."""
    lowest = min(p.max(axis=1).min() for p in probabilities.values())
    least = start = max(0.0, np.floor(10 * lowest) / 10)
    with plt.rc_context(STYLE):
        figure, (axes, counts) = plt.subplots(
            2, 1, figsize=(WIDTH, 6.0), sharex=True, height_ratios=[3, 1]
        )
        axes.plot([start, 1], [start, 1], color="#888888", linewidth=1, linestyle=":")
        style = looks(list(probabilities))
        for name, p in probabilities.items():
            bins = metrics.reliability(labels, p, _BINS)
            enough = bins["count"] >= max(5, 0.002 * len(labels))
            accuracy, look = bins["accuracy"][enough], style[name]
            low, high = _accuracy_intervals(labels, p, bins["accuracy"], bootstrap)[:, enough]
            least = min(least, low.min(initial=1))
            axes.errorbar(
                bins["confidence"][enough], accuracy, yerr=[accuracy - low, high - accuracy],
                elinewidth=0.8, capsize=2, label=plain([name])[0], **look,
            )  # fmt: skip
            counts.stairs(
                100 * bins["count"] / len(labels), np.linspace(0, 1, _BINS + 1), color=look["color"]
            )
        axes.set_xlim(start, 1)
        axes.set_ylim(max(0, least - 0.03), 1.02)
        axes.set_ylabel("accuracy")
        counts.set_ylabel("rows, %")
        counts.set_xlabel("confidence: probability of the predicted class")
        legend_below(figure, axes)
    return figure


def _forest(
    names: Sequence[str],
    entries: Sequence[_Interval],
    values: Sequence[float],
    label: str,
    heads: Sequence[str] | None = None,
) -> Figure:
    """Draw values with their intervals, one a line, against zero; the first ones of a long list.

    Lines under the same head stand together below it.
    """
    heads = heads or [""] * len(entries)
    lines: list[tuple[str, int | None]] = []  # place of the entry; None for a head
    for i, name in enumerate(names[:_MOST]):
        if heads[i] and (i == 0 or heads[i] != heads[i - 1]):
            lines.append((heads[i], None))
        lines.append((name, i))
    with plt.rc_context(STYLE):
        step = 0.4 if any("\n" in name for name, _ in lines) else 0.27  # inches a line
        figure, axes = plt.subplots(figsize=(WIDTH, 1.1 + step * len(lines)))
        places = np.arange(len(lines))[::-1]
        for place, (_, i) in zip(places, lines, strict=True):
            if i is None:
                continue
            value, low, high = values[i], entries[i].low, entries[i].high
            reach = np.array([[value - low], [high - value]])
            reach[~np.isfinite(reach)] = 0
            clear = low > 0 or high < 0
            axes.errorbar(
                value, place, xerr=np.maximum(reach, 0), fmt="o" if clear else "s", capsize=3,
                markersize=4.5, color=COLOURS[0] if clear else COLOURS[1],
                markerfacecolor=None if clear else "none",
                label="interval without zero" if clear else "interval holds zero",
            )  # fmt: skip
        axes.axvline(0, color="#888888", linewidth=1)
        axes.set_yticks(places, plain(_cut([name for name, _ in lines])), fontsize=9)
        for tick, (_, i) in zip(axes.get_yticklabels(), lines, strict=True):
            if i is None:
                tick.set_fontweight("bold")
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(-0.7, len(lines) - 0.3)
        axes.set_xlabel(label)
        axes.grid(axis="y", visible=False)
        handles, said = axes.get_legend_handles_labels()
        once = dict(zip(said, handles, strict=True))
        figure.legend(once.values(), once.keys(), loc="outside lower center", ncols=2, fontsize=9)
    return figure


def _cut(names: Sequence[str]) -> list[str]:
    shown = [
        ["".join(ch if ch.isprintable() else "?" for ch in line) for line in name.split("\n")]
        for name in names
    ]
    return [
        "\n".join(line if len(line) <= 36 else line[:35] + "…" for line in lines) for lines in shown
    ]


def _accuracy_intervals(
    labels: np.ndarray, probabilities: np.ndarray, accuracy: np.ndarray, bootstrap: GroupBootstrap
) -> np.ndarray:
    """Return the ends of the interval of each bin's accuracy, shape (2, bins)."""
    place = metrics.confidence_bin(probabilities, _BINS)
    right = probabilities.argmax(axis=1) == labels
    ends = np.full((2, _BINS), np.nan)
    for k in np.unique(place):
        inside = place == k
        moves = inside * (right - accuracy[k]) * (len(labels) / inside.sum())
        ends[:, k] = bootstrap.estimate(accuracy[k] + moves, inside).interval()
    # A bin whose rows are of one group could be anywhere.
    return np.clip(ends, 0, 1)
