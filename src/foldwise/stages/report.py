"""Compare the models honestly, in a terminal, a page and a table.

Reads  clean/audit.json, folds.parquet, models/*/oof.parquet and metrics.json, ensemble/,
       features/features.json, manifest.json; for a simulated competition also truth.csv, here
       alone and after every model is fitted
Writes leaderboard.csv, report.json (every number), report.md, report.html, plots/
"""

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from foldwise import comparison, plots, rows
from foldwise.comparison import Evidence
from foldwise.kaggle import history
from foldwise.stage import Run, Stage, atomic, read_json, write_json, write_text

_WORST_CLASSES = 15


def report(run: Run) -> str:
    """Write every form of the report."""
    evidence = Evidence.load(run)
    table = comparison.leaderboard(evidence, run)
    facts = _facts(evidence, table, run)
    with atomic(run.output / "leaderboard.csv") as partial:
        table.to_csv(partial, index=False, lineterminator="\n")
    figures = _figures(evidence, table, facts) | history.figures(run.output / "submissions.csv")
    with atomic(run.output / "plots") as partial:
        partial.mkdir()
        for name, figure in figures.items():
            plots.save(figure, partial / f"{name}.png")
    write_json(run.output / "report.json", facts)
    images = {name: _embedded(run.output / "plots" / f"{name}.png") for name in figures}
    templates = Environment(
        loader=PackageLoader("foldwise", "templates"),
        autoescape=select_autoescape(enabled_extensions=("html.jinja",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {"cell": _cell, "thousands": lambda n: f"{n:,.0f}"}
    for form in ("md", "html"):
        text = templates.get_template(f"report.{form}.jinja").render(**facts, images=images)
        write_text(run.output / f"report.{form}", _printable(text))
    size = (run.output / "report.html").stat().st_size / 1024**2
    n_models = len(table) - ("ensemble" in set(table["model"]))
    return f"{n_models} models and the ensemble; report.html {size:.1f} MB"


def _facts(evidence: Evidence, table: pd.DataFrame, run: Run) -> dict[str, Any]:
    competition = run.competition
    found = comparison.differences(evidence, table, run)
    folds = {name: facts["folds"] for name, facts in evidence.metrics.items() if name != "ensemble"}
    price = competition.report.price_per_hour
    costs = [
        {
            "model": row["model"],
            "train_seconds": row["train_seconds"],
            "seconds_per_1000_rows": 1000 * row["predict_seconds"] / len(evidence.labels),
            "peak_memory_mb": row["peak_memory_mb"],
            "device": row["device"],
            "money": price * row["train_seconds"] / 3600,
        }
        for row in table.to_dict("records")
    ]
    blend = {k: v for k, v in evidence.metrics["ensemble"].items() if k != "classes"}
    return {
        "title": competition.title or competition.name,
        "name": competition.name,
        "metric": competition.metric,
        "simulated": competition.simulate.train_rows > 0,
        "confidence": competition.report.confidence,
        "bootstrap": competition.report.bootstrap,
        "price_per_hour": price,
        "classes": evidence.classes,
        "n_rows": len(evidence.labels),
        "n_groups": len(np.unique(evidence.groups)),
        "verdict": comparison.verdict(evidence, table, found, run),
        "warnings": comparison.warnings(evidence, table, run),
        "remarks": comparison.remarks(evidence),
        "leaderboard": table.to_dict("records"),
        "bayes": comparison.bayes_floor(evidence, run, table),
        "differences": found,
        "costs": costs,
        "fold_log_loss": {m: [f["log_loss"] for f in parts] for m, parts in folds.items()},
        "fold_details": folds,
        "fold_sizes": np.bincount(evidence.folds).tolist(),
        "ensemble": blend,
        "class_reports": _shortened(comparison.class_reports(evidence)),
        "audit": read_json(run.clean / "audit.json"),
        "manifest": read_json(run.output / "manifest.json") or {},
    }


def _shortened(reports: dict[str, Any]) -> dict[str, Any]:
    """Mark the worst classes of each model: all that a page shows where there are many."""
    for report_ in reports.values():
        by_f1 = sorted(report_["classes"], key=lambda name: report_["classes"][name]["f1-score"])
        many = len(by_f1) > _WORST_CLASSES
        report_["shown"] = by_f1[:_WORST_CLASSES] if many else list(report_["classes"])
    return reports


def _figures(evidence: Evidence, table: pd.DataFrame, facts: dict[str, Any]) -> dict[str, Any]:
    floor = facts["bayes"]["log_loss"] if facts["bayes"] else None
    models = {m: p for m, p in evidence.probabilities.items() if m != "prior"}
    figures = {
        "log_loss": plots.loss_intervals(table, floor),
        "folds": plots.fold_scores(facts["fold_log_loss"]),
        "weights": plots.weights(facts["ensemble"]["weights"]),
        "reliability": plots.reliability(evidence.labels, models),
        "class_balance": plots.class_balance(facts["audit"]["train"]["class_balance"]),
    }
    for name in models:
        matrix = facts["class_reports"][name]["confusion"]
        figures[f"confusion_{name}"] = plots.confusion(matrix, evidence.classes, name)
    for name, folds in facts["fold_details"].items():
        figure = plots.curves(name, folds)
        if figure is not None:
            figures[f"curves_{name}"] = figure
    return figures


def _embedded(path: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()


def _cell(text: object) -> str:
    """Make text safe inside a Markdown table: no pipes, no tags, no line breaks."""
    plain = " ".join(str(text).split())
    for sign, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("|", "&#124;")):
        plain = plain.replace(sign, entity)
    return plain


def _printable(text: str) -> str:
    return "".join(ch for ch in text if ch in "\n\t" or ord(ch) >= 32)


def _reads(run: Run) -> list[Path]:
    paths = [run.folds, run.clean / "audit.json", rows.table_path(run, "train")]
    paths += [run.ensemble / "oof.parquet", run.ensemble / "test.parquet"]
    paths += [run.ensemble / "weights.json", run.features / "features.json"]
    paths.append(run.output / "submissions.csv")
    for name in run.competition.models:
        paths += [run.model(name) / "oof.parquet", run.model(name) / "metrics.json"]
    if run.competition.simulate.train_rows:
        paths.append(run.input / "truth.csv")
    return paths


def _writes(run: Run) -> list[Path]:
    names = ("leaderboard.csv", "report.json", "report.md", "report.html", "plots")
    return [run.output / name for name in names]


STAGE = Stage(
    name="report",
    sections=("title", "metric", "seed", "models", "report", "simulate", "folds", "ensemble"),
    reads=_reads,
    writes=_writes,
    work=report,
)
