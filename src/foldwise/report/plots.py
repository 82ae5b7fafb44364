"""The figures of the report: labelled axes with units, colours that the colour-blind can tell."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from foldwise.config.roster import KINDS, members
from foldwise.crossval.records import FoldRecord
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

_MANY = 12  # classes above which a matrix carries no numbers


def draw_loss_intervals(table: Any, floor: float | None) -> Figure:
    """Draw the log loss of every model with its interval, and the Bayes floor if it is known.

    A prior far off would squeeze what there is to see: an arrow says where it is.
    """
    low, high = table["log_loss_low"].to_numpy(), table["log_loss_high"].to_numpy()
    is_prior = (table["model"] == "prior").to_numpy() & (len(table) > 1)
    ends = [low[~is_prior].min(), high[~is_prior].max()]
    if floor is not None:
        ends = [min(ends[0], floor), max(ends[1], floor)]
    far = is_prior & (high > ends[1] + 0.5 * (ends[1] - ends[0]))
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(WIDTH, 0.8 + 0.4 * len(table)))
        places = np.arange(len(table))[::-1]
        for i, (place, row) in enumerate(zip(places, table.itertuples(), strict=True)):
            if far[i]:
                axes.annotate(
                    f"{row.log_loss:.4f} →", (1, place), xycoords=("axes fraction", "data"),
                    ha="right", va="center",
                )  # fmt: skip
                continue
            reach = [[row.log_loss - low[i]], [high[i] - row.log_loss]]
            blend = row.model == "ensemble"
            axes.errorbar(
                row.log_loss, place, xerr=np.maximum(reach, 0), fmt="D" if blend else "o",
                color=COLOURS[1] if blend else COLOURS[0], capsize=3, markersize=6,
            )  # fmt: skip
        if floor is not None:
            axes.axvline(floor, color=COLOURS[2], linestyle="--", linewidth=1.2)
            axes.annotate(
                "Bayes floor", (floor, 1), xycoords=("data", "axes fraction"),
                xytext=(4, -2), textcoords="offset points", va="top", color=COLOURS[2],
            )  # fmt: skip
        axes.set_yticks(places, plain(table["model"]))
        axes.set_ylim(-0.6, len(table) - 0.4)
        axes.set_xlabel("log loss out of fold, nats (lower is better)")
        axes.grid(axis="y", visible=False)
    return figure


def draw_fold_scores(folds: dict[str, list[float]]) -> Figure:
    """Draw the log loss of every model in every fold; of the prior alone if there is no other."""
    shown = {name: folds[name] for name in members(folds)}
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(WIDTH, 3.8))
        style = looks(list(shown))
        for name, losses in shown.items():
            axes.plot(range(len(losses)), losses, label=plain([name])[0], **style[name])
        axes.set_xticks(range(len(next(iter(shown.values())))))
        axes.set_xlabel("fold")
        axes.set_ylabel("log loss, nats")
        legend_below(figure, axes)
    return figure


def draw_confusion(matrix: Sequence[Sequence[int]], classes: Sequence[str], title: str) -> Figure:
    """Draw the share of each true class that goes to each predicted class."""
    counts = np.asarray(matrix, dtype=float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    many = len(classes) > _MANY
    size = 6.4 if many else 2.2 + 0.75 * len(classes)
    with plt.rc_context(STYLE | {"axes.grid": False}):
        figure, axes = plt.subplots(figsize=(size, size * 0.85))
        image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        places = range(0, len(classes), 5 if many else 1)
        names = [short(classes[i]) for i in places]
        axes.set_xticks(
            places, names, rotation=90 if many else 30, ha="center" if many else "right"
        )
        axes.set_yticks(places, names)
        if many:
            axes.tick_params(labelsize=6)
        else:
            for (i, j), share in np.ndenumerate(shares):
                text = f"{counts[i, j]:,.0f}\n{100 * share:.0f} %"
                axes.text(
                    j, i, text, ha="center", va="center", color=ink(image, share), fontsize=9,
                    gid=ON_COLOUR,
                )  # fmt: skip
        axes.set_xlabel("predicted class")
        axes.set_ylabel("true class")
        axes.set_title(plain([title])[0])
        figure.colorbar(image, ax=axes, label="share of the true class", shrink=0.8)
    return figure


def draw_curves(name: str, folds: list[FoldRecord]) -> Figure | None:
    """Draw training and validation loss (and accuracy, where it was kept) of every fold."""
    lines = [curve for fold in folds for curve in fold.curves]
    with_accuracy = any("accuracy" in point for line in lines for point in line)
    panels = ["loss", "accuracy"] if with_accuracy else ["loss"]
    if not any(lines):
        return None
    several = any(fold.histories is not None for fold in folds)
    with plt.rc_context(STYLE):
        figure, all_axes = plt.subplots(
            len(panels), 1, figsize=(WIDTH, 1.0 + 2.4 * len(panels)), sharex=True, squeeze=False
        )
        for axes, key in zip(all_axes[:, 0], panels, strict=True):
            for split, style, colour in (
                ("train", "-", COLOURS[0]),
                ("validation", "--", COLOURS[1]),
            ):
                for i, line in enumerate(lines):
                    points = [p for p in line if p["split"] == split and p.get(key) is not None]
                    axes.plot(
                        [p["epoch"] for p in points], [p[key] for p in points], style,
                        color=colour, linewidth=1.2, alpha=0.8,
                        marker="." if len(points) < 15 else "",
                        label=split if i == 0 else None,
                    )  # fmt: skip
            axes.set_ylabel("loss, nats" if key == "loss" else "accuracy")
        axes.set_xlabel(KINDS[name].step if name in KINDS else "epoch")
        what = "fold and seed" if several else "fold"
        figure.suptitle(f"{plain([name])[0]}: one line a {what}", fontsize=11)
        legend_below(figure, all_axes[0, 0])
    return figure


def draw_class_balance(counts: dict[str, int]) -> Figure:
    """Draw how many training rows each class has."""
    items = sorted(counts.items(), key=lambda item: -item[1])
    names, values = zip(*items, strict=True)
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(WIDTH, min(9, 0.8 + 0.32 * len(names))))
        places = np.arange(len(names))[::-1]
        axes.barh(places, values, color=COLOURS[0])
        axes.set_yticks(
            places, [short(name) for name in names], fontsize=6 if len(names) > 30 else 9
        )
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.set_xlabel("training rows")
        axes.grid(axis="y", visible=False)
    return figure


def draw_weights(shares: dict[str, float]) -> Figure:
    """Draw the weight of every model in the blend."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(WIDTH, 0.8 + 0.4 * len(shares)))
        places = np.arange(len(shares))[::-1]
        axes.barh(places, list(shares.values()), color=COLOURS[0])
        axes.set_yticks(places, plain(shares))
        axes.set_xlabel("weight in the ensemble")
        axes.grid(axis="y", visible=False)
    return figure
