"""Two runs of one competition side by side: what a change bought.

Reads  clean/, folds.parquet, models/, ensemble/ and manifest.json of both output folders
Writes compare.md and compare.json, where a folder is given
"""

from pathlib import Path

import numpy as np
from pydantic import JsonValue

from foldwise.config.manifest import Manifest
from foldwise.config.record import Number, Record
from foldwise.config.roster import display_rank
from foldwise.config.run import Run, finished
from foldwise.errors import UserError, require
from foldwise.files import write_text
from foldwise.report.evidence import Evidence
from foldwise.report.page import cell, number, p_value, span
from foldwise.scoring.metrics import scores
from foldwise.scoring.scores import Scores
from foldwise.scoring.significance import clustered_mcnemar, holm

_UNSAID = ("jobs", "report", "title")  # settings that change no prediction


class Side(Scores):
    """What a model scores and costs in one of the runs."""

    train_seconds: Number
    predict_seconds: Number
    peak_memory_mb: Number


class Compared(Record):
    """One model in both runs."""

    model: str
    a: Side
    b: Side
    difference: Number  # log loss of A less that of B: what B gains
    low: Number
    high: Number
    p: Number
    mcnemar_p: Number
    same: bool  # predictions
    p_holm: Number  # corrected for the number of models
    mcnemar_p_holm: Number
    reading: str


class Change(Record):
    """A setting, a package or the code, where the runs differ."""

    key: str
    a: JsonValue
    b: JsonValue


class Comparison(Record):
    """Two runs side by side: `compare.json`."""

    a: str
    b: str
    rows: int
    groups: int
    confidence: float
    models: list[Compared]
    only_a: list[str]
    only_b: list[str]
    changed: list[Change]


def compare(first: Path, second: Path) -> Comparison:
    """Compare every model that both runs hold, on the same rows.

    Parameters
    ----------
    first, second : Path
        Output folders A and B.

    Raises
    ------
    UserError
        The two runs differ in classes, rows, labels, groups or folds: nothing is paired then.
    """
    runs = {"a": finished(first), "b": finished(second)}
    sides = {name: Evidence.load(run) for name, run in runs.items()}
    a, b = sides["a"], sides["b"]
    _same(a, b, first, second)
    shared = [name for name in a.losses if name in b.losses]
    gains = [a.bootstrap.estimate(a.losses[name] - b.losses[name]) for name in shared]
    accuracy_p = np.array([clustered_mcnemar(a.right[m], b.right[m], a.bootstrap) for m in shared])
    corrected, accuracy_corrected = holm(np.array([gain.p for gain in gains])), holm(accuracy_p)
    found = []
    for k, name in enumerate(shared):
        low, high = gains[k].interval()
        entry = Compared(
            model=name,
            a=_scored(a, name),
            b=_scored(b, name),
            difference=gains[k].value,
            low=low,
            high=high,
            p=gains[k].p,
            mcnemar_p=accuracy_p[k],
            same=bool((a.probabilities[name] == b.probabilities[name]).all()),
            p_holm=corrected[k],
            mcnemar_p_holm=accuracy_corrected[k],
            reading="",
        )
        found.append(entry.replace(reading=_reading(entry, 1 - a.bootstrap.confidence)))
    found.sort(key=lambda entry: (display_rank(entry.model), entry.b.log_loss))
    return Comparison(
        a=str(first),
        b=str(second),
        rows=len(a.labels),
        groups=a.bootstrap.n_groups,
        confidence=a.bootstrap.confidence,
        models=found,
        only_a=[name for name in a.losses if name not in b.losses],
        only_b=[name for name in b.losses if name not in a.losses],
        changed=_changed(runs["a"], runs["b"]),
    )


def render_comparison(facts: Comparison) -> str:
    """Return the comparison as aligned text for a terminal."""
    wide = max(12, *(len(entry.model) + 2 for entry in facts.models))
    level = f"{100 * facts.confidence:.0f} % interval"
    lines = [f"A {facts.a}", f"B {facts.b}"]
    lines.append(f"the same {facts.rows:,} rows in {facts.groups:,} groups, the same folds\n")
    head = f"{'model':<{wide}}{'log loss A':>10}{'B':>9}{'B gains':>10}  {level:<20}"
    lines.append(f"{head}{'p':>8}  reading")
    for entry in facts.models:
        lines.append(
            f"{entry.model:<{wide}}{entry.a.log_loss:>10.4f}"
            f"{entry.b.log_loss:>9.4f}{entry.difference:>+10.4f}  "
            f"{span([entry.low, entry.high]):<20}{p_value(entry.p_holm):>8}  "
            f"{entry.reading}"
        )
    for side, only in (("A", facts.only_a), ("B", facts.only_b)):
        if only:
            lines.append(f"only in {side}: {', '.join(only)}")
    lines.append("\nwhat changed")
    lines += [f"  {change.key}: {change.a} -> {change.b}" for change in facts.changed]
    if not facts.changed:
        lines.append("  nothing: settings, code and packages are the same")
    return "\n".join(lines)


def write_comparison(facts: Comparison, folder: Path) -> None:
    """Write the comparison as compare.json and compare.md."""
    facts.write(folder / "compare.json")
    lines = ["# Two runs side by side", ""]
    lines += [f"- A: {cell(facts.a)}", f"- B: {cell(facts.b)}"]
    lines.append(f"- the same {facts.rows:,} rows in {facts.groups:,} groups, the same folds")
    lines += ["", "What B gains is the log loss of A less that of B, on the same rows, with its"]
    lines += [
        "paired interval over groups; p values are corrected for the number of models (Holm)."
    ]
    lines += ["", "| model | log loss A | B | B gains | interval | p | accuracy A | B "]
    lines[-1] += "| p (McNemar) | training A, s | B, s | reading |"
    lines.append("|---|---:|---:|---:|---|---:|---:|---:|---:|---:|---:|---|")
    for entry in facts.models:
        a, b = entry.a, entry.b
        cells = [cell(entry.model), number(a.log_loss), number(b.log_loss)]
        cells += [number(entry.difference), span([entry.low, entry.high])]
        cells += [p_value(entry.p_holm), number(a.accuracy), number(b.accuracy)]
        cells += [p_value(entry.mcnemar_p_holm)]
        cells += [number(a.train_seconds, 1), number(b.train_seconds, 1)]
        lines.append(f"| {' | '.join([*cells, cell(entry.reading)])} |")
    lines += ["", "| what changed | A | B |", "|---|---|---|"]
    lines += [
        f"| {cell(change.key)} | {cell(change.a)} | {cell(change.b)} |" for change in facts.changed
    ]
    write_text(folder / "compare.md", "\n".join(lines) + "\n")


def _same(a: Evidence, b: Evidence, first: Path, second: Path) -> None:
    """Raise unless rows, labels, groups and folds are the same."""
    require(
        a.classes == b.classes,
        f"{second}: classes {b.classes[:6]} are not those of {first}, {a.classes[:6]}",
    )
    strange = set(b.ids) ^ set(a.ids)
    if strange:
        here = next(i for i in (*a.ids, *b.ids) if i in strange)
        where = first if here in set(a.ids) else second
        raise UserError(
            f"{second}: its rows are not those of {first}: {len(strange):,} ids are in one of the "
            f"two only, the first is {here!r}, in {where}; compare runs on the same rows"
        )
    for name, mine, others in (
        ("row order", a.ids, b.ids),
        ("labels", a.labels, b.labels),
        ("groups", a.groups, b.groups),
        ("folds", a.folds, b.folds),
    ):
        differ = np.flatnonzero(mine != others)
        if len(differ):
            raise UserError(
                f"{second}: its {name} differ from those of {first} in {len(differ):,} rows, the "
                f"first is {a.ids[differ[0]]!r}; compare runs with the same data, seed and folds.n"
            )


def _scored(evidence: Evidence, name: str) -> Side:
    record = evidence.blend if name == "ensemble" else evidence.models[name]
    return Side(
        **scores(evidence.labels, evidence.probabilities[name]),
        train_seconds=record.train_seconds,
        predict_seconds=record.predict_seconds,
        peak_memory_mb=record.peak_memory_mb,
    )


def _reading(entry: Compared, level: float) -> str:
    if entry.same:
        return "the same predictions"
    if entry.p_holm < level and entry.low > 0:
        return "B is better"
    if entry.p_holm < level and entry.high < 0:
        return "A is better"
    return "no clear difference"


def _changed(a: Run, b: Run) -> list[Change]:
    """Return settings, packages and code that differ between the two manifests."""
    found = []
    records = [Manifest.read(run.output / "manifest.json") for run in (a, b)]
    configs = [run.competition.model_dump(mode="json", warnings=False) for run in (a, b)]
    sections = [("", configs)] + [
        (f"{name}.", [config_[name] for config_ in configs])
        for name, value in configs[0].items()
        if isinstance(value, dict)
    ]
    for prefix, sides in sections:
        for key in sides[0]:
            values = [side[key] for side in sides]
            if isinstance(values[0], dict) or prefix.rstrip(".") in _UNSAID or key in _UNSAID:
                continue
            if values[0] != values[1]:
                found.append(Change(key=prefix + key, a=values[0], b=values[1]))
    for key in sorted(set(records[0].packages) | set(records[1].packages)):
        values = [record.packages.get(key) for record in records]
        if values[0] != values[1]:
            found.append(Change(key=key, a=values[0], b=values[1]))
    if records[0].code_hash != records[1].code_hash:
        hashes = [record.code_hash for record in records]
        found.append(Change(key="code of foldwise", a=hashes[0], b=hashes[1]))
    return found
