"""Configuration as TOML tables: read, and laid one over the other with every key checked."""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from foldwise.errors import UserError, nearest, require

Table = dict[str, Any]  # a configuration, or a section of one, as TOML holds it


def read(path: Path) -> Table:
    """Return the tables of a TOML file, or raise a `UserError` that names it."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not valid TOML: {error}") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None


def merge(base: Table, change: Table) -> Table:
    """Return `base` with the values of `change`, table by table; neither is altered."""
    merged = dict(base)
    for key, value in change.items():
        both = isinstance(value, dict) and isinstance(base.get(key), dict)
        merged[key] = merge(base[key], value) if both else value
    return merged


def override(values: Table, known: Table, change: Table, origin: str) -> Table:
    """Merge `change` into `values`, unless it holds a key that `known` does not.

    Parameters
    ----------
    values : dict
        The configuration so far.
    known : dict
        Every key that there is.
    change : dict
        What differs.
    origin : str
        Where `change` comes from, for the message.

    Raises
    ------
    UserError
        An unknown key, with the nearest one; a section in place of a value, or the reverse.
    """
    _check_keys(change, known, origin)
    return merge(values, change)


def parse_setting(setting: str) -> Table:
    """Return `section.key=value` as tables; the value is TOML, a bare word is a string."""
    key, equals, text = setting.partition("=")
    require(bool(equals) and bool(key.strip()), f"--set {setting}: write section.key=value")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    for part in reversed(key.strip().split(".")):
        value = {part: value}
    return value


def as_toml(values: Table, comment: str = "") -> str:
    """Return a configuration as TOML, whose strings, numbers and lists are those of JSON here.

    Parameters
    ----------
    values : dict
        Keys of the top level, and sections of keys; no value may be None.
    comment : str
        A line that stands above.
    """
    lines = [f"# {comment}"] if comment else []
    lines += [f"{k} = {_json(v)}" for k, v in values.items() if not isinstance(v, dict)]
    for name, section in values.items():
        if isinstance(section, dict):
            lines += ["", f"[{name}]", *(f"{k} = {_json(v)}" for k, v in section.items())]
    return "\n".join(lines) + "\n"


def _json(value: Any) -> str:
    # The one character that JSON lets stand and TOML does not.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _check_keys(values: Table, known: Table, origin: str) -> None:
    flat = list(_flatten(known))
    sections = [key for key, value in known.items() if isinstance(value, dict)]
    for key, value in values.items():
        if key not in known:
            inner = [f"{key}.{sub}" for sub in value] if isinstance(value, dict) else [key]
            _refuse(inner[0] if inner else key, flat + sections, origin)
        if isinstance(known[key], dict) != isinstance(value, dict):
            kind = "is a section" if key in sections else "is not a section"
            raise UserError(f"{origin}: {key} {kind}")
        if isinstance(value, dict):
            for sub in value:
                if sub not in known[key]:
                    _refuse(f"{key}.{sub}", flat, origin)


def _refuse(key: str, known: list[str], origin: str) -> None:
    # The whole key first ("fold.n" is nearest to "folds.n"), then its last part ("seeds").
    alike = [k for k in known if k.split(".")[-1] == key.split(".")[-1]][:1]
    hint = nearest(key, known, 0.5) or nearest(key, alike, 0.0) or "; see default.toml"
    raise UserError(f"{origin}: unknown key {key!r}{hint}")


def _flatten(values: Table) -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from (f"{key}.{sub}" for sub in value)
        else:
            yield key
