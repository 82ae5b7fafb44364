"""What a run writes down, as types: each is written and read here, and nowhere else.

A record knows its keys. Whatever lacks one, or holds one more, was written by another version of
foldwise and is refused in one line instead of being misread; so is a file with another `FORMAT`.
"""

import json
import math
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, ValidationError

from foldwise.errors import UserError
from foldwise.files import write_json

FORMAT = 1  # of an output folder: raised when the same keys come to mean something else
Format = Literal[1]

_AGAIN = "run again to write it anew"


def known(value: Any) -> Any:
    """Return a value, and None for a float that is not a finite number, as JSON wants it."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _where_open(end: float) -> BeforeValidator:
    return BeforeValidator(lambda value: end if value is None else value)


Number = Annotated[float | None, BeforeValidator(known)]  # None: not known, or not a number
# The ends of an interval: infinite where the rows tell nothing, which is null in JSON.
Low = Annotated[float, _where_open(-math.inf), PlainSerializer(known)]
High = Annotated[float, _where_open(math.inf), PlainSerializer(known)]


class Record(BaseModel):
    """A frozen type that is a JSON file, or a part of one.

    A field with a default that nobody gave is not written: it is a key that only some files have.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, protected_namespaces=()
    )

    @classmethod
    def read(cls, path: Path, again: str = _AGAIN) -> Self:
        """Return what a file holds.

        Parameters
        ----------
        path : Path
        again : str
            What to do where that fails.

        Raises
        ------
        UserError
            The file is missing, damaged, or was written by another version of foldwise.
        """
        found = cls.read_if_there(path, again)
        if found is None:
            raise UserError(f"{path}: no such file; {again}")
        return found

    @classmethod
    def read_if_there(cls, path: Path, again: str = _AGAIN) -> Self | None:
        """Return what a file holds, None where it is missing; else as `read`."""
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:
            raise UserError(f"{path}: is damaged ({error}); {again}") from None
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise UserError(
                f"{path}: was written by another version of foldwise ({_first(error)}); {again}"
            ) from None

    @classmethod
    def read_if_usable(cls, path: Path) -> Self | None:
        """Return what a file holds, None where it cannot be used: all that it saves is time."""
        try:
            return cls.read_if_there(path)
        except UserError:
            return None

    def write(self, path: Path) -> None:
        """Write the record as indented JSON, atomically."""
        write_json(path, self.plain())

    def plain(self) -> Any:
        """Return the record as plain data, as its file holds it."""
        return self.model_dump(by_alias=True, exclude_unset=True)

    def replace(self, **values: Any) -> Self:
        """Return a copy with other values."""
        return self.model_copy(update=values)


def _first(error: ValidationError) -> str:
    """Say which key is at fault first."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(map(str, first["loc"])) or "the whole"
    said = {"missing": "is missing", "extra_forbidden": "is not known"}
    return f"{where!r} {said.get(first['type'], first['msg'])}"
