"""Compare the models honestly, in a terminal, a page and a table.

Reads  clean/, folds.parquet, models/*/oof.parquet and metrics.json, ensemble/, leaks.json,
       features/features.json, manifest.json; for a simulated competition also truth.csv, here
       alone and after every model is fitted
Writes leaderboard.csv, report.json (every number), report.md, report.html, plots/, and, where
       the learning curve was asked for, learning_curve.json
"""

from itertools import chain
from pathlib import Path

from foldwise.config.run import Run
from foldwise.data.cleaned import table_path
from foldwise.files import atomic, write_csv, write_text
from foldwise.report import page, style, submissions
from foldwise.report.evidence import Evidence, score_table
from foldwise.report.gather import gather
from foldwise.report.warnings import tuned_path
from foldwise.stages.stage import Stage


def report(run: Run) -> str:
    """Write every form of the report."""
    evidence = Evidence.load(run)
    table, intervals = score_table(evidence, run)
    facts = gather(evidence, table, intervals, run)
    write_csv(run.output / "leaderboard.csv", table)
    images = {}
    with atomic(run.output / "plots") as partial:
        partial.mkdir()
        submitted = submissions.draw_submissions(run.output / "submissions.csv")
        for name, figure in chain(page.draw_figures(evidence, table, facts), submitted.items()):
            images[name] = page.both_themes(figure)
            (partial / f"{name}.png").write_bytes(images[name]["light"])
            style.close(figure)
    facts.write(run.output / "report.json")
    for form in ("md", "html"):
        write_text(run.output / f"report.{form}", page.render_report(form, facts, images))
    size = (run.output / "report.html").stat().st_size / 1024**2
    n_models = len(table) - ("ensemble" in set(table["model"]))
    return f"{n_models} models and the ensemble; report.html {size:.1f} MB"


def _reads(run: Run) -> list[Path]:
    paths = [run.folds, run.clean / "audit.json", table_path(run, "train")]
    paths += [run.ensemble / "oof.parquet", run.ensemble / "test.parquet"]
    paths += [run.ensemble / "weights.json", run.features / "features.json"]
    paths.append(run.output / "leaks.json")
    paths.append(run.output / "submissions.csv")
    for name in run.competition.models:
        paths += [run.model(name) / "oof.parquet", run.model(name) / "metrics.json"]
        paths.append(tuned_path(run, name))
    if run.competition.simulate.train_rows:
        paths.append(run.input / "truth.csv")
    return paths


def _writes(run: Run) -> list[Path]:
    names = ["leaderboard.csv", "report.json", "report.md", "report.html", "plots"]
    if (run.output / "learning_curve.json").exists():
        names.append("learning_curve.json")
    return [run.output / name for name in names]


STAGE = Stage(
    name="report",
    sections=("title", "metric", "seed", "models", "report", "simulate", "folds", "ensemble"),
    reads=_reads,
    writes=_writes,
    work=report,
)
