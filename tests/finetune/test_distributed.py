"""One fold on two processes, started as a launcher starts them."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from stages.test_transformer import CLASSES, prepared  # noqa: F401

from foldwise.finetune import distributed
from foldwise.stages.stage import execute

SOURCE = Path(__file__).parents[2] / "src"
# Without dropout two processes do what one does, up to the order of additions.
SETTINGS = ("bert.precision=fp32", "bert.batch_size=8", "bert.epochs=2", 'models=["prior", "bert"]')


def start(arguments, **variables):
    env = os.environ | {name: str(value) for name, value in variables.items()}
    command = [sys.executable, "-m", "foldwise", *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, env=env | {"PYTHONPATH": str(SOURCE)}, **pipes)


def processes(n, arguments):
    """Run the command line in `n` processes that know of each other; return their output."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {
        "WORLD_SIZE": n,
        "LOCAL_WORLD_SIZE": n,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
    }
    started = [start(arguments, RANK=k, LOCAL_RANK=k, **common) for k in range(n)]
    return [(process.communicate(timeout=600)[0], process.returncode) for process in started]


def without_dropout(folder, tmp_path):
    copy = tmp_path / "encoder"
    shutil.copytree(folder, copy)
    path = copy / "config.json"
    text = path.read_text()
    assert '"hidden_dropout_prob": 0.1' in text
    path.write_text(text.replace('"hidden_dropout_prob": 0.1', '"hidden_dropout_prob": 0.0'))
    return copy


def test_two_processes_train_what_one_does(prepared, tiny_encoder, tmp_path):  # noqa: F811
    encoder = without_dropout(tiny_encoder, tmp_path)
    settings = (*SETTINGS, f"bert.model={encoder}", "bert.learning_rate=1e-3")
    alone = prepared(*settings, output=tmp_path / "alone")
    execute("transformer", alone)
    together = prepared(*settings, output=tmp_path / "together")
    options = [
        x
        for s in (*settings, "bert.max_length=32", "folds.n=2", f"embedding.model={encoder}")
        for x in ("--set", s)
    ]
    # The stages before belong to the leader too.
    arguments = ["run", "spooky", "--input", together.input, "--output", together.output]
    results = processes(2, [*arguments, "--stages", "clean..transformer", *options])
    assert [code for _, code in results] == [0, 0], results
    leader, follower = (output for output, _ in results)
    assert "transformer  out-of-fold log loss" in leader
    assert "transformer " not in follower
    one, two = (pd.read_parquet(r.model("bert") / "oof.parquet") for r in (alone, together))
    np.testing.assert_array_equal(one["id"], two["id"])
    np.testing.assert_allclose(one[CLASSES], two[CLASSES], atol=1e-4)
    assert np.ptp(one[CLASSES].to_numpy(), axis=0).max() > 1e-3
    assert '"processes": 2' in (together.model("bert") / "metrics.json").read_text()


def test_a_time_budget_is_refused_there(tmp_path):
    arguments = ["run", "sample", "--output", tmp_path / "out", "--time-budget", "8h"]
    process = start(arguments, WORLD_SIZE=2, RANK=0)
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 2
    assert output.startswith("error: --time-budget does not go with")


def test_rows_of_a_step_are_dealt_out_whole(monkeypatch):
    rows, lengths = np.array([4, 1, 3, 0, 2]), np.array([5, 10, 15, 20, 25])
    monkeypatch.setattr(distributed, "world", lambda: 2)
    shares = []
    for rank in range(2):
        monkeypatch.setattr(distributed, "rank", lambda r=rank: r)
        shares.append(distributed.shard_step(rows, lengths).tolist())
    assert shares == [[4, 2, 0], [3, 1]]


def test_one_process_is_left_alone():
    assert distributed.world() == 1 and distributed.rank() == 0
    assert distributed.broadcast({"a": 1}) == {"a": 1}
    rows = np.array([3, 1])
    assert distributed.shard_step(rows, np.ones(4)) is rows
