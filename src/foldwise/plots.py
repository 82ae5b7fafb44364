"""The figures of the report: labelled axes with units, colours that the colour-blind can tell."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import matplotlib as mpl
import numpy as np

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from foldwise import metrics

# Okabe and Ito's palette, without its yellow (too faint on white).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
STYLE = {
    "figure.dpi": 110,
    "figure.constrained_layout.use": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "axes.titlesize": 11,
    "font.size": 10,
    "legend.frameon": False,
}
ON_COLOUR = "on colour"  # mark of a text that stands on a coloured cell, in either theme
_CARD, _INK = "#1d2329", "#e5e8eb"  # as in the page's style sheet
_LIGHTER = {"#0072B2": "#3D9BE0", "#56B4E9": "#B5E3FF", "#000000": "#E5E8EB", "#009E73": "#2BC79A"}
_MANY = 12  # classes above which a matrix carries no numbers


def save(figure: Figure, path: Path | BinaryIO, dark: bool = False) -> None:
    """Write a figure as PNG, to a path or an open file; in light letters on dark if asked."""
    if dark:
        _darken(figure)
    figure.savefig(
        path, format="png", metadata={"Software": None}, facecolor=_CARD if dark else "white"
    )


def close(figure: Figure) -> None:
    """Free a figure."""
    plt.close(figure)


def _darken(figure: Figure) -> None:
    """Turn a finished figure to the dark theme: ink, grid, and the colours too dim for it."""
    for text in figure.findobj(Text):
        if text.get_gid() != ON_COLOUR and to_hex(text.get_color()) == "#000000":
            text.set_color(_INK)
    for axes in figure.axes:
        axes.set_facecolor(_CARD)
        axes.tick_params(color=_INK)
        for spine in axes.spines.values():
            spine.set_edgecolor(_INK)
        for line in (*axes.get_xgridlines(), *axes.get_ygridlines()):
            line.set_color("#3a434c")
    for line in figure.findobj(Line2D):
        colour = to_hex(line.get_color()).upper()
        line.set_color(_LIGHTER.get(colour, line.get_color()))
    for lines in figure.findobj(LineCollection):
        lines.set_color([_LIGHTER.get(to_hex(c).upper(), c) for c in lines.get_color()])
    for patch in figure.findobj(Rectangle):
        colour = to_hex(patch.get_facecolor()).upper()
        if colour in _LIGHTER and patch not in [axes.patch for axes in figure.axes]:
            patch.set_facecolor(_LIGHTER[colour])


def loss_intervals(table: Any, floor: float | None) -> Figure:
    """Draw the log loss of every model with its interval, and the Bayes floor if it is known."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(6.4, 0.6 + 0.42 * len(table)))
        places = np.arange(len(table))[::-1]
        losses = table["log_loss"].to_numpy()
        spread = np.abs(table[["log_loss_low", "log_loss_high"]].to_numpy().T - losses)
        colours = [COLOURS[1] if m == "ensemble" else COLOURS[0] for m in table["model"]]
        for place, loss, width, colour in zip(places, losses, spread.T, colours, strict=True):
            axes.errorbar(loss, place, xerr=width[:, None], fmt="o", color=colour, capsize=3)
        if floor is not None:
            axes.axvline(floor, color=COLOURS[2], linestyle="--", linewidth=1.2)
            axes.annotate(
                "Bayes floor", (floor, 1), xycoords=("data", "axes fraction"),
                xytext=(4, -2), textcoords="offset points", va="top", color=COLOURS[2],
            )  # fmt: skip
        axes.set_yticks(places, plain(table["model"]))
        axes.set_xlabel("log loss out of fold, nats (lower is better)")
        axes.grid(axis="y", visible=False)
    return figure


def fold_scores(folds: dict[str, list[float]]) -> Figure:
    """Draw the log loss of every model in every fold."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(6.4, 3.2))
        for (name, losses), colour in zip(folds.items(), _cycle(len(folds)), strict=True):
            axes.plot(range(len(losses)), losses, "o-", label=plain([name])[0], color=colour)
        axes.set_xticks(range(len(next(iter(folds.values())))))
        axes.set_xlabel("fold")
        axes.set_ylabel("log loss, nats")
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def confusion(matrix: Sequence[Sequence[int]], classes: Sequence[str], title: str) -> Figure:
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
                colour = "white" if share > 0.55 else "black"
                text = f"{counts[i, j]:.0f}\n{100 * share:.0f} %"
                axes.text(
                    j, i, text, ha="center", va="center", color=colour, fontsize=9, gid=ON_COLOUR
                )
        axes.set_xlabel("predicted class")
        axes.set_ylabel("true class")
        axes.set_title(plain([title])[0])
        figure.colorbar(image, ax=axes, label="share of the true class", shrink=0.8)
    return figure


def reliability(labels: np.ndarray, probabilities: dict[str, np.ndarray]) -> Figure:
    """Draw accuracy against confidence of the predicted class."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(5.6, 4.2))
        axes.plot([0, 1], [0, 1], color="#888888", linewidth=1, linestyle=":")
        for (name, p), colour in zip(
            probabilities.items(), _cycle(len(probabilities)), strict=True
        ):
            bins = metrics.reliability(labels, p, bins=10)
            enough = bins["count"] >= max(5, 0.002 * len(labels))
            axes.plot(
                bins["confidence"][enough], bins["accuracy"][enough], "o-", ms=4, color=colour,
                label=plain([name])[0],
            )  # fmt: skip
        axes.set(xlim=(0, 1), ylim=(0, 1))
        axes.set_xlabel("confidence: probability of the predicted class")
        axes.set_ylabel("accuracy")
        axes.legend(loc="upper left")
    return figure


def curves(name: str, folds: list[dict[str, Any]]) -> Figure | None:
    """Draw training and validation loss (and accuracy, where it was kept) of every fold."""
    with_accuracy = any("accuracy" in point for f in folds for point in f.get("history", []))
    panels = ["loss", "accuracy"] if with_accuracy else ["loss"]
    if not any(f.get("history") for f in folds):
        return None
    with plt.rc_context(STYLE):
        figure, all_axes = plt.subplots(1, len(panels), figsize=(3.6 * len(panels) + 1, 3.2))
        for axes, key in zip(np.atleast_1d(all_axes), panels, strict=True):
            for split, style, colour in (
                ("train", "-", COLOURS[0]),
                ("validation", "--", COLOURS[1]),
            ):
                for i, fold in enumerate(folds):
                    points = [
                        p for p in fold.get("history", []) if p["split"] == split and key in p
                    ]
                    points = [p for p in points if p[key] is not None]
                    axes.plot(
                        [p["epoch"] for p in points], [p[key] for p in points], style,
                        color=colour, linewidth=1.2, alpha=0.8,
                        marker="." if len(points) < 15 else "",
                        label=split if i == 0 else None,
                    )  # fmt: skip
            axes.set_xlabel("boosting round" if name == "lightgbm" else "epoch")
            axes.set_ylabel("loss, nats" if key == "loss" else "accuracy")
            axes.legend()
        figure.suptitle(f"{plain([name])[0]}: one line a fold", fontsize=11)
    return figure


def class_balance(counts: dict[str, int]) -> Figure:
    """Draw how many training rows each class has."""
    items = sorted(counts.items(), key=lambda item: -item[1])
    names, values = zip(*items, strict=True)
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(6.4, min(9, 0.8 + 0.28 * len(names))))
        places = np.arange(len(names))[::-1]
        axes.barh(places, values, color=COLOURS[0])
        axes.set_yticks(
            places, [short(name) for name in names], fontsize=6 if len(names) > 30 else 9
        )
        axes.set_xlabel("training rows")
        axes.grid(axis="y", visible=False)
    return figure


def weights(shares: dict[str, float]) -> Figure:
    """Draw the weight of every model in the blend."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(6.4, 0.6 + 0.38 * len(shares)))
        places = np.arange(len(shares))[::-1]
        axes.barh(places, list(shares.values()), color=COLOURS[0])
        axes.set_yticks(places, plain(shares))
        axes.set_xlabel("weight in the ensemble")
        axes.grid(axis="y", visible=False)
    return figure


def _cycle(n: int) -> list[str]:
    return [COLOURS[i % len(COLOURS)] for i in range(n)]


def plain(names: Any) -> list[str]:
    """Keep matplotlib from reading a dollar sign as the start of a formula."""
    return [str(name).replace("$", r"\$") for name in names]


def short(name: str) -> str:
    """Return a name of at most 24 characters, all of which print."""
    name = "".join(ch if ch.isprintable() else "?" for ch in name)
    return plain([name if len(name) <= 24 else name[:23] + "…"])[0]
