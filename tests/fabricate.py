"""A small finished output folder, made without fitting anything."""

import numpy as np
import pandas as pd

from foldwise.data.audit_record import Audit, TableAudit
from foldwise.ensemble.blend_record import BlendRecord, TriedBlend
from foldwise.files import write_json, write_parquet
from foldwise.scoring import metrics
from foldwise.scoring.scores import Scores

QUANTILES = {"min": 1.0, "5 %": 2.0, "25 %": 3.0, "median": 4.0, "75 %": 5.0, "95 %": 6.0, "max": 7}


def fabricate(run, classes, n=200, notes=(), seed=0):
    """Write every file that the report reads, for the models of the configuration."""
    generator = np.random.default_rng(seed)
    n_classes = len(classes)
    labels = np.arange(n) % n_classes
    ids = [f"r{i}" for i in range(n)]
    groups = [f"g{i // 2}" for i in range(n)]
    folds = (np.arange(n) // 2 % 3).astype(np.int8)
    text = {column: [f"text {i}" for i in range(n)] for column in run.competition.data.text}
    train = pd.DataFrame({"id": ids} | text)
    train["label"] = np.array(classes, dtype=object)[labels]
    train["group"] = groups
    write_parquet(run.clean / "train.parquet", train)
    write_parquet(run.folds, pd.DataFrame({"id": ids, "group": groups, "fold": folds}))
    logits = 1.5 * np.eye(n_classes)[labels] + generator.normal(size=(n, n_classes))
    for i, model in enumerate([*run.competition.models, "ensemble"]):
        p = np.exp(logits + 0.5 * i * generator.normal(size=logits.shape))
        p = np.full_like(p, 1 / n_classes) if model == "prior" else p / p.sum(1, keepdims=True)
        oof = pd.DataFrame(p, columns=classes)
        oof.insert(0, "id", ids)
        oof.insert(1, "fold", folds)
        folder = run.ensemble if model == "ensemble" else run.model(model)
        write_parquet(folder / "oof.parquet", oof)
        write_json(folder / "metrics.json", _metrics(model, classes, labels, p, folds))
    members = [m for m in run.competition.models if m != "prior"]
    overall = metrics.scores(labels, p)
    blend = bare_blend(classes, {m: float(m == members[-1]) for m in members}, overall)
    blend.write(run.ensemble / "weights.json")
    features = {"terms": {}, "texts": n, "rows": n, "notes": [], "content": {}}
    write_json(run.features / "features.json", features)
    write_json(run.clean / "audit.json", _audit(run, classes, labels, list(notes)))
    return labels, np.array(groups)


def bare_audit(classes, n):
    """Return what the clean stage says of `n` rows of which nothing else is known."""
    train = TableAudit(
        rows_read=n,
        dropped={},
        filled={},
        notes=[],
        warnings=[],
        rows_kept=n,
        groups=n,
        largest_group=1,
        lengths={},
    )
    return Audit(classes=classes, train=train)


def bare_blend(classes, weights, overall=None):
    """Return what the ensemble stage says of a linear pool."""
    overall = Scores(**(overall or dict.fromkeys(metrics.SCORES)))
    tried = TriedBlend(
        method="linear",
        title="linear pool",
        nested_log_loss=0.9,
        fitted_log_loss=0.8,
        weights=weights,
    )
    return BlendRecord(
        method="linear",
        title="linear pool",
        classes=classes,
        methods=[tried],
        weights=weights,
        class_weights=None,
        bias=dict.fromkeys(classes, 0.0),
        temperature=1.0,
        dropped=[model for model, weight in weights.items() if not weight],
        chosen_without=["linear"] * 3,
        overall=overall,
        train_seconds=0.5,
        predict_seconds=0.1,
        peak_memory_mb=90.0,
    )


def _metrics(model, classes, labels, p, folds):
    history = [
        {"epoch": e, "step": e, "split": split, "loss": 1 / e, "accuracy": 0.5}
        for e in (1, 2)
        for split in ("train", "validation")
    ]
    parts = [
        {
            "fold": k,
            "rows": int((folds == k).sum()),
            "history": history if model in ("bert", "lightgbm") else [],
        }
        | metrics.scores(labels[folds == k], p[folds == k])
        for k in range(3)
    ]
    return {
        "model": model,
        "classes": classes,
        "overall": metrics.scores(labels, p),
        "folds": parts,
        "train_seconds": 12.5,
        "predict_seconds": 0.5,
        "predict_rows": len(labels),
        "peak_memory_mb": 123.0,
        "device": "cpu",
        "notes": [],
    }


def _audit(run, classes, labels, notes):
    counts = np.bincount(labels, minlength=len(classes)).tolist()
    lengths = {c: {"characters": QUANTILES, "words": QUANTILES} for c in run.competition.data.text}
    keys = ("rows_read", "rows_kept", "groups", "largest_group", "exact_duplicates")
    keys += ("same_but_for_case_and_punctuation", "near_duplicates", "conflicting_labels")
    train = dict.fromkeys(keys, 2) | {"dropped": {}, "filled": {}, "notes": [], "warnings": notes}
    train |= {"lengths": lengths, "class_balance": dict(zip(classes, counts, strict=True))}
    return {"classes": classes, "train": train}
