"""A run of the pipeline: which stages and models, in which order, led by which process.

What a stage needs is imported when it runs, so that a run in which nothing changed is quick.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from foldwise.config.roster import KINDS, PRIOR
from foldwise.config.run import Run
from foldwise.errors import UserError, require
from foldwise.files import lock
from foldwise.stages import ORDER
from foldwise.stages.manifest import write_manifest
from foldwise.stages.stage import execute, require_earlier
from foldwise.terminal import say


def run_stages(run: Run, stages: Sequence[str], command: Sequence[str]) -> None:
    """Run the stages that are not fresh, one after the other, and say what came out.

    Started several times by a launcher, only the leading process runs them; the others help it
    to train.

    Parameters
    ----------
    run : Run
        The competition.
    stages : sequence of str
        In the order of the pipeline.
    command : sequence of str
        Recorded in the manifest.
    """
    with _together(run) as leads:
        if not leads:
            return
        if "clean" in stages:
            _ensure_sample(run)
        with lock(run.output):
            for name in stages:
                require_earlier(name, run)
                if name == "report":
                    write_manifest(run, list(command))  # the report shows it
                execute(name, run)
            write_manifest(run, list(command))
        if "report" in stages:
            closing(run)


def chosen_stages(spans: Sequence[str]) -> list[str]:
    """Return the stages that lie in every span, in order.

    Parameters
    ----------
    spans : sequence of str
        Each a stage or `first..last`, either end of which may be left out.

    Raises
    ------
    UserError
        An unknown stage, or a span whose ends are the wrong way round.
    """
    chosen = list(ORDER)
    for span in spans:
        first, dots, last = span.partition("..")
        last = last if dots else first
        first, last = first or ORDER[0], last or ORDER[-1]
        for name in (first, last):
            require(name in ORDER, f"--stages {span}: no stage {name!r}; there are {list(ORDER)}")
        low, high = ORDER.index(first), ORDER.index(last)
        require(low <= high, f"--stages {span}: {first} comes after {last}")
        chosen = [name for name in chosen if low <= ORDER.index(name) <= high]
    return chosen


def chosen_models(text: str | None) -> list[str] | None:
    """Return the models of a list like `logreg,bert`, with the prior; None leaves the choice."""
    if text is None:
        return None
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        require(
            name in KINDS,
            f"--models: no model {name!r}; there are {', '.join(KINDS)}",
        )
    require(bool(names), "--models: name at least one model")
    # The floor stands in every table.
    return names if PRIOR in names else [PRIOR, *names]


def seconds(budget: str | None) -> float:
    """Return the seconds of a time budget like `1h30m`, 0 without one."""
    if budget is None:
        return 0.0
    from foldwise.finetune.budget import parse

    try:
        return parse(budget)
    except ValueError:
        raise UserError(f"--time-budget {budget}: write 8h, 90m or 1h30m") from None


def write_simulation(folder: Path, train_rows: int, test_rows: int, seed: int) -> None:
    """Write a simulated arena and say so."""
    from foldwise.simulation import simulate

    facts = simulate(folder, train_rows=train_rows, test_rows=test_rows, seed=seed)
    say(
        f"{'simulate':<12} {train_rows:,} train and {test_rows:,} test rows of a simulated arena "
        f"(not human votes) in {folder}; Bayes log loss {facts['bayes_log_loss']:.4f}"
    )


def closing(run: Run) -> None:
    """Print the leaderboard and where the results are."""
    from foldwise.report.leaderboard import render_leaderboard

    say()
    say(render_leaderboard(run.output))
    say()
    for name in ("submission.csv", "report.html"):
        if (run.output / name).exists():
            say(f"{name.partition('.')[0]:<12} {run.output / name}")


@contextlib.contextmanager
def _together(run: Run) -> Iterator[bool]:
    """Yield whether this process leads; one that does not has done its part by then."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield True
        return
    require(
        not run.time_budget,
        "--time-budget does not go with several processes on one fold; leave one of them out",
    )
    from foldwise.crossval import schedule
    from foldwise.finetune import distributed

    distributed.init_process_group()
    try:
        leads = distributed.rank() == 0
        if not leads:
            schedule.follow(run)
        yield leads
        if leads:
            distributed.broadcast(None)
    finally:
        distributed.destroy_process_group()
    distributed.end()


def _ensure_sample(run: Run) -> None:
    wanted = run.competition.simulate
    if wanted.train_rows and not (run.input / "train.csv").exists():
        write_simulation(run.input, wanted.train_rows, wanted.test_rows, wanted.seed)
