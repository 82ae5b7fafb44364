"""Read the raw files into one canonical table each, clean the texts, audit what was found.

Reads  the competition's train file and, if there are any, its test and sample files
Writes clean/train.parquet, clean/test.parquet, clean/audit.json
"""

from pathlib import Path

from foldwise.config.run import Run
from foldwise.data.audit import audit_table
from foldwise.data.audit_record import Audit, RawFile
from foldwise.data.canonical import canonical, check_sample, sample
from foldwise.data.cleaned import table_path
from foldwise.data.raw import candidates, locate
from foldwise.data.targets import order_classes
from foldwise.files import remove, write_parquet
from foldwise.hashing import file_hash
from foldwise.stages.stage import Stage
from foldwise.terminal import note, warn


def clean(run: Run) -> str:
    """Write the canonical tables and their audit."""
    competition, text = run.competition, list(run.competition.data.text)
    found = locate(competition, run.input)
    train, intake = canonical(found["train"], run, labelled=True)
    classes = order_classes(competition, train["label"].to_numpy())
    if run.rows and run.rows < len(train):
        train = sample(train, classes, run.rows, competition.seed)
        said = f"--rows {run.rows}: a stratified sample of {len(train)} rows"
        intake = intake.replace(notes=[*intake.notes, said], rows_kept=len(train))
    audit = {"classes": classes, "train": audit_table(train, text, intake)}
    test = None
    if found["test"]:
        test, intake = canonical(found["test"], run, labelled=False)
        audit["test"] = audit_table(test, text, intake)
        check_sample(run, found["sample_submission"], test, classes)
        shared = int(test["group"].isin(set(train["group"])).sum())
        audit["prompts_shared_by_train_and_test"] = shared
    audit["files"] = {
        part: RawFile(name=path.name, bytes=path.stat().st_size, hash=file_hash(path))
        for part, path in found.items()
        if path
    }
    audit = Audit(**audit)
    for table in audit.tables.values():
        for problem in table.warnings:
            warn(problem)
        for fact in table.notes:
            note(fact)
    write_parquet(table_path(run, "train"), train)
    if test is None:
        remove(table_path(run, "test"))
    else:
        write_parquet(table_path(run, "test"), test)
    audit.write(run.clean / "audit.json")
    return _summary(audit)


def _summary(audit: Audit) -> str:
    train, n_test = audit.train, audit.test.rows_kept if audit.test else 0
    parts = [f"{train.rows_kept:,} train and {n_test:,} test rows"]
    parts.append(f"{len(audit.classes)} classes, {train.groups:,} groups")
    if train.exact_duplicates:
        parts.append(f"{train.exact_duplicates:,} exact duplicates")
    if train.conflicting_labels:
        parts.append(f"{train.conflicting_labels:,} texts with conflicting labels")
    return "; ".join(parts)


def _reads(run: Run) -> list[Path]:
    return [path for paths in candidates(run.competition, run.input).values() for path in paths]


def _writes(run: Run) -> list[Path]:
    split = ["train", "test"] if table_path(run, "test").exists() else ["train"]
    return [*(table_path(run, name) for name in split), run.clean / "audit.json"]


STAGE = Stage(
    name="clean",
    sections=("data", "pair", "clean", "seed"),
    reads=_reads,
    writes=_writes,
    work=clean,
)
