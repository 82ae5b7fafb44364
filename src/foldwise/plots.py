"""The figures of the report: labelled axes with units, colours that the colour-blind can tell."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import matplotlib as mpl
import numpy as np

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle, StepPatch
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator

# Okabe and Ito's palette, without its yellow (too faint on white).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
_MARKERS = "os^DvPX*"
_PLACES = {
    name: k
    for k, name in enumerate(
        ("logreg", "svm", "lightgbm", "embedding", "bert", "prior", "ensemble")
    )
}
_LEGEND = 36  # characters that fit side by side under a figure
WIDTH = 5.0  # inches: two side by side on a desk, and still legible as wide as a phone
STYLE = {
    "figure.dpi": 160,
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
        hollow = line.get_markerfacecolor() == "none"
        for part in ("color", "markeredgecolor", *(() if hollow else ("markerfacecolor",))):
            colour = mpl.artist.getp(line, part)
            line.set(**{part: _LIGHTER.get(to_hex(colour).upper(), colour)})
    for lines in figure.findobj(LineCollection):
        lines.set_color([_LIGHTER.get(to_hex(c).upper(), c) for c in lines.get_color()])
    for steps in figure.findobj(StepPatch):
        colour = to_hex(steps.get_edgecolor()).upper()
        steps.set_edgecolor(_LIGHTER.get(colour, colour))
    for patch in figure.findobj(Rectangle):
        colour = to_hex(patch.get_facecolor()).upper()
        if colour in _LIGHTER and patch not in [axes.patch for axes in figure.axes]:
            patch.set_facecolor(_LIGHTER[colour])


def loss_intervals(table: Any, floor: float | None) -> Figure:
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


def fold_scores(folds: dict[str, list[float]]) -> Figure:
    """Draw the log loss of every model in every fold; of the prior alone if there is no other."""
    shown = {name: losses for name, losses in folds.items() if name != "prior"} or folds
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(WIDTH, 3.8))
        style = looks(list(shown))
        for name, losses in shown.items():
            axes.plot(range(len(losses)), losses, label=plain([name])[0], **style[name])
        axes.set_xticks(range(len(next(iter(shown.values())))))
        axes.set_xlabel("fold")
        axes.set_ylabel("log loss, nats")
        below(figure, axes)
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


def curves(name: str, folds: list[dict[str, Any]]) -> Figure | None:
    """Draw training and validation loss (and accuracy, where it was kept) of every fold."""
    lines = [c for fold in folds for c in fold.get("histories") or [fold.get("history") or []]]
    with_accuracy = any("accuracy" in point for line in lines for point in line)
    panels = ["loss", "accuracy"] if with_accuracy else ["loss"]
    if not any(lines):
        return None
    several = any("histories" in fold for fold in folds)
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
        axes.set_xlabel("boosting round" if name == "lightgbm" else "epoch")
        what = "fold and seed" if several else "fold"
        figure.suptitle(f"{plain([name])[0]}: one line a {what}", fontsize=11)
        below(figure, all_axes[0, 0])
    return figure


def class_balance(counts: dict[str, int]) -> Figure:
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


def weights(shares: dict[str, float]) -> Figure:
    """Draw the weight of every model in the blend."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(WIDTH, 0.8 + 0.4 * len(shares)))
        places = np.arange(len(shares))[::-1]
        axes.barh(places, list(shares.values()), color=COLOURS[0])
        axes.set_yticks(places, plain(shares))
        axes.set_xlabel("weight in the ensemble")
        axes.grid(axis="y", visible=False)
    return figure


def below(figure: Figure, axes: Axes) -> None:
    """Put the legend under the figure, where it hides nothing and takes no width."""
    handles, names = axes.get_legend_handles_labels()
    columns = max(1, min(3, _LEGEND // max(map(len, names), default=1)))
    figure.legend(handles, names, loc="outside lower center", ncols=columns)


def ink(image: AxesImage, value: float) -> str:
    """Return black or white, whichever is read better on the colour of a value."""
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in image.cmap(image.norm(value))[:3]
    )
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    # Where the contrasts with black and white, as WCAG 2 reckons them, are the same.
    return "black" if luminance > 0.179 else "white"


def looks(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the colour and the marker of each model; markers tell it without colour, too.

    A model of the pipeline looks the same in every figure of every report.
    """
    others = [name for name in names if name not in _PLACES]
    free = [k for k in range(len(_MARKERS)) if k not in map(_PLACES.get, names)]
    places = _PLACES | {name: free[i % len(free)] for i, name in enumerate(others)}
    return {
        name: {
            "color": COLOURS[places[name] % len(COLOURS)],
            "marker": _MARKERS[places[name]],
            "markersize": 5,
            "linewidth": 1.4,
        }
        for name in names
    }


def plain(names: Any) -> list[str]:
    """Keep matplotlib from reading a dollar sign as the start of a formula."""
    return [str(name).replace("$", r"\$") for name in names]


def short(name: str) -> str:
    """Return a name of at most 24 characters, all of which print."""
    name = "".join(ch if ch.isprintable() else "?" for ch in name)
    return plain([name if len(name) <= 24 else name[:23] + "…"])[0]
