"""Where `foldwise tune` looks for the settings of a model: `search.toml`, or another file."""

import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from foldwise.errors import UserError, require
from foldwise.files import PACKAGE


class Span(BaseModel):
    """Where one key is looked for: between two numbers, or among some choices."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    low: int | float | None = None
    high: int | float | None = None
    log: bool = False
    choices: list[bool | int | float | str] | None = None

    def suggest(self, trial: Any, name: str) -> Any:
        """Draw a value from an Optuna trial."""
        if self.choices:
            return trial.suggest_categorical(name, self.choices)
        whole = isinstance(self.low, int) and isinstance(self.high, int)
        draw = trial.suggest_int if whole else trial.suggest_float
        return draw(name, self.low, self.high, log=self.log)


def read_space(model: str, path: Path | None = None) -> dict[str, Span]:
    """Return where each key of a model is looked for.

    Parameters
    ----------
    model : str
        Name of the model.
    path : Path, optional
        A TOML file whose sections replace those of `search.toml`.
    """
    source = PACKAGE / "tuning" / "search.toml"
    found = tomllib.loads(source.read_text(encoding="utf-8"))
    if path is not None:
        try:
            found |= tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserError(f"{path}: not a readable TOML file: {error}") from None
        source = path
    require(model in found, f"{source}: no section [{model}]: nothing to tune")
    space = {}
    for key, value in found[model].items():
        try:
            space[key] = Span.model_validate(value)
        except ValidationError as error:
            raise UserError(f"{source}: {model}.{key}: {error.errors()[0]['msg']}") from None
        span = space[key]
        ordered = span.low is not None and span.high is not None and span.low < span.high
        require(
            bool(span.choices) != ordered and not (span.log and not (ordered and span.low > 0)),
            f"{source}: {model}.{key}: give low < high (above 0 with log), or choices",
        )
    return space
