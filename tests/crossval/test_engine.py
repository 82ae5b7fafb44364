import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from foldwise.__main__ import app
from foldwise.config.run import Unit
from foldwise.crossval import engine
from foldwise.errors import UserError

UNITS = [Unit("logreg", k) for k in range(4)]


def store(run, unit, threads):
    run.fold(*unit).mkdir(parents=True, exist_ok=True)


def die_once(run, unit, threads):
    marker = run.output / "died"
    if unit.fold == 1 and not marker.exists():
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    store(run, unit, threads)


def always_die(run, unit, threads):
    if unit.fold == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    store(run, unit, threads)


def fail(run, unit, threads):
    (run.output / "tried").mkdir(parents=True, exist_ok=True)
    with open(run.output / "tried" / str(unit.fold), "a") as file:
        file.write("x")
    if unit.fold == 1:
        raise ZeroDivisionError("the unit's own fault")
    if unit.fold == 2:
        raise UserError("data.csv: the user's fault")
    store(run, unit, threads)


def stored(run):
    return [k for _, k in UNITS if run.fold("logreg", k).exists()]


@pytest.mark.parametrize("workers", [1, 2])
def test_units_run_here_or_side_by_side(make_run, workers):
    run = make_run("spooky")
    engine.run_units(store, run, UNITS, workers, 1)
    assert stored(run) == [0, 1, 2, 3]


def test_a_unit_that_dies_with_its_worker_is_tried_again(make_run, capfd):
    run = make_run("spooky")
    engine.run_units(die_once, run, UNITS, 2, 1)
    assert stored(run) == [0, 1, 2, 3]
    assert "a worker died" in capfd.readouterr().err


def test_a_unit_that_always_kills_its_worker_is_named_and_the_others_finish(make_run):
    run = make_run("spooky")
    with pytest.raises(UserError, match="logreg, fold 1: its worker died, alone too"):
        engine.run_units(always_die, run, UNITS, 2, 1)
    assert stored(run) == [0, 2, 3]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_units_own_fault_is_raised_once_after_the_others_finished(make_run, workers):
    run = make_run("spooky")
    with pytest.raises(ZeroDivisionError) as error:
        engine.run_units(fail, run, UNITS, workers, 1)
    assert "2 of 4 units finished" in error.value.__notes__[-1]
    assert stored(run) == [0, 3]
    tried = {path.name: path.read_text() for path in (run.output / "tried").iterdir()}
    assert tried == dict.fromkeys("0123", "x")


def test_a_time_budget_is_refused_on_a_cluster(tmp_path):
    command = ["run", "sample", "--output", str(tmp_path), "--engine", "ray", "--time-budget", "8h"]
    with pytest.raises(UserError, match="--time-budget does not go with --engine ray"):
        CliRunner().invoke(app, command, catch_exceptions=False)
    assert not list(tmp_path.iterdir())


def test_the_workers_of_a_killed_run_do_not_outlive_it(tmp_path):
    code = (
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from foldwise.config.competition import load_competition\n"
        "from foldwise.config.run import Run, Unit\n"
        "from foldwise.crossval import engine\n"
        "def slow(run, unit, threads):\n"
        "    (run.output / str(os.getpid())).touch()\n"
        "    time.sleep(3600)\n"
        "run = Run(load_competition('spooky'), Path(sys.argv[1]), Path(sys.argv[1]))\n"
        "engine.run_units(slow, run, [Unit('prior', 0), Unit('prior', 1)], 2, 1)\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], env=environment)
    wait_until(lambda: len(list(tmp_path.iterdir())) == 2)
    parent.kill()
    parent.wait()
    workers = [int(path.name) for path in tmp_path.iterdir()]
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))


def wait_until(condition, seconds=900):  # a busy machine takes its time
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)
