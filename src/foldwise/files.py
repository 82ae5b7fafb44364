"""Files that are written whole or not at all, and locks between processes."""

import contextlib
import errno
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from foldwise.errors import UserError, require

PACKAGE = Path(__file__).parent  # the code of foldwise
_DISK_ERRORS = {
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO,
    errno.ENOTDIR, errno.EEXIST,
}  # fmt: skip


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder that becomes `path` only on success.

    Works for a file or a folder; a folder that exists is replaced. Nothing is forced to the
    disk: what a power cut leaves half written no longer has the hash that was recorded.

    Raises
    ------
    UserError
        The disk is full, over quota or read-only.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    old = path.with_name(f".{path.name}.{os.getpid()}.old")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove(temporary)
        yield temporary
        if temporary.is_dir() and path.exists():
            # A folder cannot be renamed onto another; deleting it first would take long.
            remove(old)
            os.replace(path, old)
        os.replace(temporary, path)
    except Exception as error:
        reason = _unwritable(error, path.parent)
        if reason is None:
            raise
        raise UserError(
            f"{path}: cannot be written: {reason}; what is finished is kept, run again to go on"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            remove(temporary)
            remove(old)


def _unwritable(error: Exception, folder: Path) -> str | None:
    """Say why the disk does not take a file, or None if something else is wrong."""
    if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
        return os.strerror(error.errno)
    if isinstance(error, OSError) and str(error).endswith(" written"):  # numpy's, without a number
        return "the disk took only a part of it"
    # Some libraries report a full disk as an error of their own.
    with contextlib.suppress(OSError):
        if shutil.disk_usage(folder).free < 2**20:
            return os.strerror(errno.ENOSPC)
    return None


def clear_leftovers(folder: Path) -> None:
    """Delete the partial files of killed runs; only for who holds the lock of `folder`."""
    for path in folder.rglob(".*"):
        if re.fullmatch(r"\..+\.\d+\.(partial|old)", path.name):
            remove(path)


def remove(path: Path) -> None:
    """Delete a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write plain data as indented JSON, atomically."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write text as utf-8, atomically."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def read_json(path: Path) -> Any:
    """Return the content of a JSON file, or None where it is missing or broken."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def write_parquet(path: Path, table: Any) -> None:
    """Write a pandas DataFrame as parquet without its index, atomically."""
    with atomic(path) as temporary:
        table.to_parquet(temporary, index=False)


def write_csv(path: Path, table: Any) -> None:
    """Write a pandas DataFrame as csv without its index, atomically."""
    with atomic(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")


@contextlib.contextmanager
def exclusive(path: Path, wait: bool) -> Iterator[bool]:
    """Hold a lock file for a block, and yield whether it is held.

    The system's own lock: it goes with the process, also when that is killed. What the file
    holds stays, and a link in its place is not followed.

    Parameters
    ----------
    path : Path
        The lock file, in a folder that is there; it stays when the lock is released.
    wait : bool
        Whether to wait for another holder; else False is yielded at once.
    """
    from filelock import FileLock, Timeout  # a third of a start, which --help can do without

    lock = FileLock(path, timeout=-1 if wait else 0)
    with contextlib.suppress(Timeout):
        lock.acquire()
    try:
        yield lock.is_locked
    finally:
        lock.release()


@contextlib.contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Hold `folder` for this process, or say that another run holds it."""
    with contextlib.ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            held = stack.enter_context(exclusive(folder / ".lock", wait=False))
        except OSError as error:
            raise UserError(f"{folder}: cannot be written to: {error.strerror}") from None
        require(
            held, f"{folder}: another run is writing there; wait for it or choose another --output"
        )
        clear_leftovers(folder)
        yield
