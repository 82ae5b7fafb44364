"""The report as a page and as Markdown: figures in both themes, numbers, hostile text made safe."""

import base64
import io
import re
from collections.abc import Iterator

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from matplotlib.figure import Figure

from foldwise.config.record import known
from foldwise.report import figures, plots, style, verdict
from foldwise.report.evidence import Evidence
from foldwise.report.facts import Facts

_MARKDOWN = re.compile(r"([\\`*_\[\]!#~$])")
_PER_INCH = 108  # pixels of a page; the figures hold half as many again, for fine screens
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def draw_figures(
    evidence: Evidence, table: pd.DataFrame, facts: Facts
) -> Iterator[tuple[str, Figure]]:
    """Yield the name and the drawing of every figure of the report, one at a time."""
    floor = facts.bayes.log_loss if facts.bayes else None
    models = {m: p for m, p in evidence.probabilities.items() if m != "prior"}
    noise = max((entry.band for entry in facts.seed_noise.values()), default=None)
    alike = facts.error_correlation
    yield "log_loss", plots.draw_loss_intervals(table, floor)
    yield "differences", figures.draw_differences(facts.differences, noise)
    yield "folds", plots.draw_fold_scores(facts.fold_log_loss)
    yield "weights", plots.draw_weights(facts.ensemble.weights)
    if facts.left_out:
        yield "left_out", figures.draw_left_out(facts.left_out)
    if len(alike.models) > 1:
        yield "errors", figures.draw_error_correlation(alike.models, alike.correlation)
    yield "reliability", figures.draw_reliability(evidence.labels, models, evidence.bootstrap)
    yield "class_balance", plots.draw_class_balance(facts.audit.train.class_balance)
    if any(entry.low is not None for entry in facts.slices):
        yield "slices", figures.draw_slices(facts.slices, facts.focus)
    if facts.learning_curve and facts.learning_curve.points:
        yield "learning_curve", figures.draw_learning_curve(facts.learning_curve.points)
    for name in models:
        matrix = facts.class_reports[name].confusion
        yield f"confusion_{name}", plots.draw_confusion(matrix, evidence.classes, name)
    for name, folds in facts.fold_details.items():
        figure = plots.draw_curves(name, folds)
        if figure is not None:
            yield f"curves_{name}", figure


def both_themes(figure: Figure) -> dict[str, bytes]:
    """Return a figure as PNG for the light and for the dark theme; it is left dark."""
    found = {}
    for theme in ("light", "dark"):
        buffer = io.BytesIO()
        style.save(figure, buffer, dark=theme == "dark")
        found[theme] = buffer.getvalue()
        figure.set_layout_engine("none")  # laid out once: the other theme moves nothing
    return found


def render_report(form: str, facts: Facts, images: dict[str, dict[str, bytes]]) -> str:
    """Return `report.md` or `report.html` as text.

    Parameters
    ----------
    form : str
        "md" or "html".
    facts : Facts
    images : dict of str to dict
        By figure name, as `both_themes` returns them.
    """
    templates = Environment(
        loader=PackageLoader("foldwise.report", "templates"),
        autoescape=select_autoescape(enabled_extensions=("html.jinja",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {
        "cell": cell,
        "num": number,
        "span": span,
        "percent": percent,
        "p": p_value,
        "embedded": lambda png: "data:image/png;base64," + base64.b64encode(png).decode(),
        "width": width,
        "display_name": verdict.display_name,
        "thousands": lambda value: number(value, 0),
    }
    text = templates.get_template(f"report.{form}.jinja").render(**dict(facts), images=images)
    return _CONTROL.sub("", text)


def width(png: bytes) -> int:
    """Return how wide a figure is shown, in pixels of a page: its inches as a desk shows them."""
    return round(_PER_INCH * int.from_bytes(png[16:20], "big") / style.STYLE["figure.dpi"])


def number(value: float | None, digits: int = 4) -> str:
    """Return a number with so many decimals, none of them "-0.0"; a dash where it is not known."""
    return "–" if value is None else f"{value:z,.{digits}f}"


def span(low_high: list[float | None], digits: int = 4) -> str:
    """Return an interval; a dash where it is not known or without an end."""
    low, high = map(known, low_high)
    return "–" if low is None or high is None else f"{low:z.{digits}f} to {high:z.{digits}f}"


def percent(share: float) -> str:
    """Return a share in percent, one decimal."""
    return f"{100 * share:.1f} %"


def p_value(value: float) -> str:
    """Return a p value with three decimals, and very small ones as such."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def cell(text: object) -> str:
    """Make text safe inside a Markdown table: no tags, links, marks, pipes or line breaks."""
    plain = _MARKDOWN.sub(r"\\\1", " ".join(str(text).split()))
    for sign, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("|", "&#124;")):
        plain = plain.replace(sign, entity)
    return plain.replace("://", ":&#8203;//")  # an address would become a link without this
