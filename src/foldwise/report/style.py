"""How figures look: colours, markers, sizes, and the helpers that every figure uses."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle, StepPatch
from matplotlib.text import Text

from foldwise.config.roster import LOOKS

mpl.use("Agg")


# Okabe and Ito's palette, without its yellow (too faint on white).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")


_MARKERS = "os^DvPX*"


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


def legend_below(figure: Figure, axes: Axes) -> None:
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


def looks(names: Sequence[str]) -> dict[str, dict[str, str | float]]:
    """Return the colour and the marker of each model; markers tell it without colour, too.

    A model of the pipeline looks the same in every figure of every report.
    """
    others = [name for name in names if name not in LOOKS]
    free = [k for k in range(len(_MARKERS)) if k not in map(LOOKS.get, names)]
    places = LOOKS | {name: free[i % len(free)] for i, name in enumerate(others)}
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
