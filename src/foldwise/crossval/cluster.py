"""Units on a Ray cluster (`--engine ray`); Ray is an optional package.

What the units read goes into Ray's object store once; each node writes it to its own disk once,
whatever the number of units it gets. What a unit wrote comes back through the store and lands
in the same place as after a local run, so the nodes need no folder in common.
"""

import contextlib
import shutil
import socket
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from foldwise.config.roster import KINDS
from foldwise.config.run import Run, Unit
from foldwise.crossval.records import UnitRecord
from foldwise.crossval.stored import is_fitted, unit_keys
from foldwise.crossval.unit import run_unit
from foldwise.data.cleaned import table_path
from foldwise.errors import UserError, require
from foldwise.files import PACKAGE, atomic, remove
from foldwise.hashing import content_hash, file_hash
from foldwise.terminal import note

_RETRIES = 3  # of a unit whose worker or node died
_WORKING_COPY = 6  # a fit needs about this many times the bytes of what it reads
_KNOCK_SECONDS = 10
_MB = 2**20


def outcomes(run: Run, units: Sequence[Unit]) -> Iterator[tuple[Unit, Exception | None]]:
    """Run units on the cluster and yield each with its failure, or None, as they finish.

    Raises
    ------
    UserError
        Ray is not installed, no cluster answers, or no node is large enough for a model.
    """
    try:
        import ray
    except ImportError:
        raise UserError(
            "--engine ray needs the package ray: pip install -r requirements-cluster.txt"
        ) from None
    with _connected(ray, run.ray_address):
        files = _inputs(run, units)
        size = sum(path.stat().st_size for path in files.values())
        nodes = [node for node in ray.nodes() if node["Alive"]]
        options = {
            model: _options(ray, model, size, nodes) for model in {unit.model for unit in units}
        }
        note(f"ray: {len(nodes)} nodes, {len(units)} units, {size / _MB:,.0f} MB of data sent once")
        bundle = ray.put(_pack(files))
        key = content_hash({name: file_hash(path) for name, path in files.items()})
        remote = replace(run, engine="local", force=False)
        waiting = {}
        for unit in units:
            task = ray.remote(_unit).options(name=str(unit), **options[unit.model])
            threads = int(options[unit.model]["num_cpus"])
            fit = _pack(_fit_files(run, unit))
            waiting[task.remote(remote, unit, threads, key, bundle, fit)] = unit
        try:
            while waiting:
                done, _ = ray.wait(list(waiting), num_returns=1)
                unit = waiting.pop(done[0])
                yield unit, _received(ray, run, unit, done[0])
        finally:
            for task in waiting:
                ray.cancel(task, force=True)
            _clear(ray, key)


def _received(ray: Any, run: Run, unit: Unit, task: Any) -> Exception | None:
    """Write what a unit sent back; return its own fault, or that of the cluster."""
    try:
        host, files = ray.get(task)
    except ray.exceptions.RayTaskError as error:
        cause = error.cause
        if isinstance(cause, UserError):
            return cause
        # The traceback of the node is in the text of Ray's error.
        cause.__cause__ = RuntimeError(str(error))
        return cause
    except ray.exceptions.RayError as error:
        first = str(error).strip().splitlines()[0]
        name = f"{unit.model}, fold {unit.fold}"
        return UserError(f"{name}: lost {_RETRIES + 1} times with its node: {first}")
    if UnitRecord.model_validate_json(files["unit.json"].tobytes()).keys != unit_keys(run, unit):
        return UserError(
            f"node {host}: other code or other package versions than here; install the same"
        )
    with atomic(run.fold(*unit)) as partial:
        _unpack(files, partial)
    return None


def _unit(
    run: Run,
    unit: Unit,
    threads: int,
    key: str,
    bundle: dict[str, np.ndarray],
    fit: dict[str, np.ndarray],
) -> tuple[str, dict[str, np.ndarray]]:
    """Run one unit on a node, from the files of its fit if it has one; return what it wrote."""
    shared = _node_folder(key)
    if not shared.exists():
        with atomic(shared) as partial:
            _unpack(bundle, partial)
    # A folder of its own: a unit that is tried again never meets its dead predecessor's files.
    own = Path(tempfile.mkdtemp(prefix=f"{shared.name}-"))
    try:
        for path in shared.iterdir():
            (own / path.name).symlink_to(path)
        run = replace(run, output=own)
        folder = run.fold(*unit)
        _unpack(fit, folder)
        run_unit(run, unit, threads)
        paths = [path for path in folder.rglob("*") if path.is_file()]
        return socket.gethostname(), _pack({p.relative_to(folder).as_posix(): p for p in paths})
    finally:
        shutil.rmtree(own, ignore_errors=True)


def _pack(paths: dict[str, Path]) -> dict[str, np.ndarray]:
    """Return the bytes of files by name: arrays, which Ray shares without copying."""
    return {name: np.fromfile(path, np.uint8) for name, path in paths.items()}


def _unpack(files: dict[str, np.ndarray], folder: Path) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        content.tofile(folder / name)


def _fit_files(run: Run, unit: Unit) -> dict[str, Path]:
    """Return the files of a unit that is fitted and only has to predict other test rows."""
    folder = run.fold(*unit)
    if not is_fitted(run, unit):
        return {}
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path for path in paths}


def _inputs(run: Run, units: Sequence[Unit]) -> dict[str, Path]:
    """Return the files that these units read, by their place under the output folder."""
    paths = [run.folds, run.clean / "audit.json"]
    paths += [table_path(run, split) for split in ("train", "test")]
    if any(KINDS[unit.model].uses_features for unit in units):
        paths += sorted(path for path in run.features.rglob("*") if path.is_file())
    return {path.relative_to(run.output).as_posix(): path for path in paths if path.exists()}


def _options(ray: Any, model: str, size: int, nodes: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what a unit of a model asks the cluster for, if any node can give it."""
    wanted = KINDS[model].resources
    gpus = wanted.gpus if any(node["Resources"].get("GPU") for node in nodes) else 0
    memory = wanted.memory_mb * _MB + _WORKING_COPY * size
    ask = {"CPU": wanted.cpus, "GPU": gpus, "memory": memory}
    fitting = [n for n in nodes if all(n["Resources"].get(k, 0) >= v for k, v in ask.items())]
    shown = f"{wanted.cpus} CPU, {gpus} GPU and {memory / 2**30:.1f} GiB"
    require(
        bool(fitting),
        f"--engine ray: a unit of {model} asks for {shown}; no node of the cluster has that much "
        "(start one with more, or leave the model to --engine local)",
    )
    return {
        "num_cpus": wanted.cpus, "num_gpus": gpus, "memory": memory, "max_retries": _RETRIES,
        "retry_exceptions": False,
    }  # fmt: skip


@contextlib.contextmanager
def _connected(ray: Any, address: str) -> Iterator[None]:
    try:
        host, colon, port = address.rpartition(":")
        if colon and port.isdigit() and "/" not in host:
            # Ray itself goes on knocking for minutes where nobody is.
            socket.create_connection((host, int(port)), timeout=_KNOCK_SECONDS).close()
        # The nodes get this very code, so they need only the packages of requirements.txt.
        ray.init(
            address=address,
            runtime_env={"py_modules": [str(PACKAGE)]},
            log_to_driver=False,
            logging_level="ERROR",
        )
    except OSError as error:  # a ConnectionError of Ray is one too
        raise UserError(
            f"--ray-address {address}: no Ray cluster answers; start one with `ray start --head`, "
            f"or use --ray-address local ({' '.join(str(error).split())[:200]})"
        ) from None
    try:
        yield
    finally:
        ray.shutdown()


def _node_folder(key: str) -> Path:
    return Path(tempfile.gettempdir()) / f"foldwise-{key}"


def _clear(ray: Any, key: str) -> None:
    """Delete the copy of the data on every node that is still there."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    tasks = []
    for node in ray.nodes():
        if node["Alive"]:
            here = NodeAffinitySchedulingStrategy(node_id=node["NodeID"], soft=False)
            task = ray.remote(_forget).options(num_cpus=0, scheduling_strategy=here)
            tasks.append(task.remote(key))
    ray.wait(tasks, num_returns=len(tasks), timeout=30)


def _forget(key: str) -> None:
    remove(_node_folder(key))
