"""All numbers of a report, gathered in one place from the evidence."""

from typing import Any

import numpy as np
import pandas as pd

from foldwise.config.run import Run
from foldwise.crossval.learning_curve import learning_curve
from foldwise.data.cleaned import table_path
from foldwise.ensemble.pools import Blend
from foldwise.files import read_json
from foldwise.report import examples, gains, page, slices, verdict, warnings
from foldwise.report.evidence import (
    Evidence,
    bayes_floor,
    class_reports,
    error_correlation,
    fold_losses,
    seed_noise,
)
from foldwise.scoring.intervals import f1_differences
from foldwise.scoring.significance import differences

_WORST_CLASSES = 15
_SLICES = 40  # shown in the page; report.json has all


def gather(
    evidence: Evidence, table: pd.DataFrame, intervals: dict[str, Any], run: Run
) -> dict[str, Any]:
    """Return every number of the report, as `report.json` holds them."""
    competition, focus = run.competition, evidence.focus
    audit, leaks = read_json(run.clean / "audit.json"), read_json(run.output / "leaks.json")
    texts = _texts(run)
    columns = slices.slice_columns(texts, evidence.labels, evidence.classes, competition.pair)
    by_slice = slices.slice_table(
        columns, evidence.losses, evidence.right, focus, evidence.bootstrap
    )
    folds = {name: facts["folds"] for name, facts in evidence.metrics.items() if name != "ensemble"}
    curve = None
    if competition.report.learning_curve and "foreign" not in audit:
        curve = learning_curve(run, evidence.labels, evidence.losses, evidence.bootstrap)
    found = differences(evidence.losses, evidence.right, evidence.bootstrap)
    pairs = [(pair["better"], pair["other"]) for pair in found]
    f1 = dict(zip(table["model"], table["f1_macro"], strict=True))
    more = f1_differences(pairs, f1, evidence.drawn, evidence.bootstrap)
    found = [pair | of_f1 for pair, of_f1 in zip(found, more, strict=True)]
    noise = seed_noise(evidence)
    for pair in found:
        bands = [
            entry["band"]
            for entry in noise.values()
            if {pair["better"], pair["other"]} & set(entry["models"])
        ]
        if pair["difference"] < max(bands, default=0.0):
            pair["reading"] += "; within seed noise"
    facts = {
        "title": competition.title or competition.name,
        "name": competition.name,
        "metric": competition.metric,
        "simulated": competition.simulate.train_rows > 0,
        "foreign": audit.get("foreign"),
        "confidence": competition.report.confidence,
        "bootstrap": competition.report.bootstrap,
        "price_per_hour": competition.report.price_per_hour,
        "classes": evidence.classes,
        "n_rows": len(evidence.labels),
        "n_groups": evidence.bootstrap.n_groups,
        "focus": focus,
        "leaderboard": table.to_dict("records"),
        "intervals": intervals,
        "bayes": bayes_floor(evidence, run, table),
        "differences": found,
        "seed_noise": noise,
        "costs": _costs(table, len(evidence.labels), competition.report.price_per_hour),
        "fold_log_loss": fold_losses(evidence),
        "fold_details": folds,
        "fold_sizes": np.bincount(evidence.folds).tolist(),
        "ensemble": {k: v for k, v in evidence.metrics["ensemble"].items() if k != "classes"},
        "left_out": gains.leave_one_out(
            evidence,
            Blend.configured(evidence.metrics["ensemble"]["method"], evidence.classes, competition),
        ),
        "error_correlation": error_correlation(evidence),
        "recalibration": gains.recalibration(evidence, focus),
        "learning_curve": curve,
        "class_reports": _shortened(class_reports(evidence)),
        "slices": by_slice,
        "shown_slices": _SLICES,
        "worst_slice": slices.worst(by_slice),
        "examples": examples.examples(evidence, texts),
        "leaks": leaks,
        "audit": audit,
        "manifest": read_json(run.output / "manifest.json") or {},
    }
    facts = page.without_nan(facts)
    facts["levers"] = verdict.levers(facts)
    facts["verdict"] = verdict.verdict(table, facts, run)
    facts["warnings"] = warnings.find_warnings(evidence, table, leaks, run)
    facts["remarks"] = warnings.remarks(evidence)
    return facts


def _texts(run: Run) -> dict[str, np.ndarray]:
    """Return the text columns; none where the predictions came without texts."""
    table = pd.read_parquet(table_path(run, "train"))
    return {
        name: table[name].to_numpy(dtype=object)
        for name in run.competition.data.text
        if name in table
    }


def _costs(table: pd.DataFrame, n: int, price: float) -> list[dict[str, Any]]:
    timed = table.astype({"train_seconds": float, "predict_seconds": float})
    return [
        {
            "model": row["model"],
            "train_seconds": row["train_seconds"],
            "seconds_per_1000_rows": 1000 * row["predict_seconds"] / n,
            "peak_memory_mb": row["peak_memory_mb"],
            "device": row["device"],
            "money": price * row["train_seconds"] / 3600,
        }
        for row in timed.to_dict("records")
    ]


def _shortened(reports: dict[str, Any]) -> dict[str, Any]:
    """Mark the worst classes of each model: all that a page shows where there are many."""
    for report_ in reports.values():
        by_f1 = sorted(report_["classes"], key=lambda name: report_["classes"][name]["f1-score"])
        many = len(by_f1) > _WORST_CLASSES
        report_["shown"] = by_f1[:_WORST_CLASSES] if many else list(report_["classes"])
    return reports
