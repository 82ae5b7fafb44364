"""Figures of what the comparison found: differences, slices, alike errors, the learning curve."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from foldwise.plots import COLOURS, ON_COLOUR, STYLE, WIDTH, below, ink, plain, short

_MOST = 28  # lines of a forest plot
_LONG = 28  # characters of a label from which it takes two lines


def differences(pairs: Sequence[dict[str, Any]], noise: float | None) -> Figure:
    """Draw every paired difference with its interval, and the band of seed noise if it is known.

    Those to the prior, many times as large, are left to the table where there are others.
    """
    pairs = [pair for pair in pairs if "prior" not in (pair["better"], pair["other"])] or pairs
    names = [f"{pair['other']} − {pair['better']}" for pair in pairs]
    if max(map(len, names)) > _LONG:
        names = [f"{pair['other']}\n− {pair['better']}" for pair in pairs]
    figure = _forest(names, pairs, "difference", "difference in log loss, nats")
    if noise is not None:
        axes = figure.axes[0]
        axes.axvspan(-noise, noise, color="#888888", alpha=0.25, linewidth=0)
        axes.annotate(
            "seed noise", (noise, 1), xycoords=("data", "axes fraction"), xytext=(3, -2),
            textcoords="offset points", va="top",
        )  # fmt: skip
    return figure


def slices(table: Sequence[dict[str, Any]], focus: str) -> Figure:
    """Draw how much worse or better than on all rows a model is on each slice."""
    shown = [entry for entry in table if entry["low"] is not None]
    names = [entry["slice"] for entry in shown]
    heads = [entry["respect"] for entry in shown]
    what = f"log loss of {plain([focus])[0]} less that on all rows, nats"
    return _forest(names, shown, "gap", what, heads)


def left_out(gains: dict[str, dict[str, Any]]) -> Figure:
    """Draw how much worse the blend is without each of its models."""
    return _forest(list(gains), list(gains.values()), "gain", "log loss lost without it, nats")


def error_correlation(models: Sequence[str], table: Sequence[Sequence[float]]) -> Figure:
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


def learning_curve(points: Sequence[dict[str, Any]]) -> Figure:
    """Draw log loss against training rows, on a logarithmic axis."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(WIDTH, 3.8))
        models = list(dict.fromkeys(point["model"] for point in points))
        for place, model in enumerate(models):
            mine = [point for point in points if point["model"] == model]
            losses = np.array([point["log_loss"] for point in mine])
            reach = np.abs([[p["low"], p["high"]] for p in mine] - losses[:, None]).T
            axes.errorbar(
                [point["rows"] for point in mine], losses, yerr=reach, fmt="o-", markersize=4,
                capsize=3, color=COLOURS[place % len(COLOURS)], label=plain([model])[0],
            )  # fmt: skip
        axes.set_xscale("log", base=2)
        ticks = sorted({point["rows"] for point in points if point["model"] == models[0]})
        axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
        axes.minorticks_off()
        axes.set_xlabel("training rows of a fold")
        axes.set_ylabel("log loss out of fold, nats")
        below(figure, axes)
    return figure


def _forest(
    names: Sequence[str],
    entries: Sequence[dict[str, Any]],
    key: str,
    label: str,
    heads: Sequence[str] | None = None,
) -> Figure:
    """Draw values with their intervals, one a line, against zero; the first ones of a long list.

    Lines under the same head stand together below it.
    """
    heads = heads or [""] * len(entries)
    lines: list[tuple[str, dict[str, Any] | None]] = []
    for i, (name, entry) in enumerate(zip(names[:_MOST], entries, strict=False)):
        if heads[i] and (i == 0 or heads[i] != heads[i - 1]):
            lines.append((heads[i], None))
        lines.append((name, entry))
    with plt.rc_context(STYLE):
        step = 0.4 if any("\n" in name for name, _ in lines) else 0.27  # inches a line
        figure, axes = plt.subplots(figsize=(WIDTH, 1.1 + step * len(lines)))
        places = np.arange(len(lines))[::-1]
        for place, (_, entry) in zip(places, lines, strict=True):
            if entry is None:
                continue
            value = entry[key]
            reach = np.array([[value - entry["low"]], [entry["high"] - value]])
            clear = entry["low"] > 0 or entry["high"] < 0
            axes.errorbar(
                value, place, xerr=np.maximum(reach, 0), fmt="o" if clear else "s", capsize=3,
                markersize=4.5, color=COLOURS[0] if clear else COLOURS[1],
                markerfacecolor=None if clear else "none",
                label="interval without zero" if clear else "interval holds zero",
            )  # fmt: skip
        axes.axvline(0, color="#888888", linewidth=1)
        axes.set_yticks(places, plain(_cut([name for name, _ in lines])), fontsize=9)
        for tick, (_, entry) in zip(axes.get_yticklabels(), lines, strict=True):
            if entry is None:
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
