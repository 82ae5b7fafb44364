"""Out-of-fold score against leaderboard score, one point a submission."""

from pathlib import Path

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from foldwise.report.style import COLOURS, STYLE, WIDTH


def draw_submissions(path: Path) -> dict[str, Figure]:
    """Return the report's figure of `submissions.csv` by name; none where nothing is scored."""
    table = scored(path)
    return {} if table.empty else {"submissions": draw_public_against_oof(table)}


def scored(path: Path) -> pd.DataFrame:
    """Return the submissions of `submissions.csv` that have a public score.

    Returns
    -------
    DataFrame
        `date`, `oof_log_loss` and `public_score` (float64), oldest first; empty without the file.
    """
    columns = ["date", "oof_log_loss", "public_score"]
    if not path.exists():
        return pd.DataFrame(columns=columns)
    table = pd.read_csv(path)[columns]
    for name in columns[1:]:
        table[name] = pd.to_numeric(table[name], errors="coerce")
    return table.dropna().sort_values("date").reset_index(drop=True)


def draw_public_against_oof(table: pd.DataFrame) -> Figure:
    """Draw the public score of every submission against its out-of-fold log loss.

    Points on the dotted line scored on the leaderboard what they scored out of fold; a distance
    that is the same for all of them does no harm, an order that differs does.
    """
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(WIDTH, 4.2))
        axes.scatter(table["oof_log_loss"], table["public_score"], color=COLOURS[0], zorder=3)
        for number, row in enumerate(table.itertuples(), start=1):
            axes.annotate(
                str(number), (row.oof_log_loss, row.public_score),
                xytext=(5, 4), textcoords="offset points",
            )  # fmt: skip
        both = table[["oof_log_loss", "public_score"]].to_numpy()
        ends = [both.min(), both.max()]
        axes.plot(ends, ends, linestyle=":", color=COLOURS[6], linewidth=1)
        axes.set_xlabel("log loss out of fold, nats")
        axes.set_ylabel("public leaderboard score")
    return figure
