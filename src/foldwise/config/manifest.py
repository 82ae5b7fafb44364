"""`manifest.json`: what an output folder was made from and with."""

from pathlib import Path

from pydantic import Field, JsonValue

from foldwise.config.record import Format, Record
from foldwise.errors import UserError


class Seeds(Record):
    """What chance hung on."""

    competition: int
    of_fold: str = Field(alias="fold k")  # as a formula


class StageCost(Record):
    """What one stage took, and the hashes of its code and its configuration."""

    seconds: float
    peak_memory_mb: float
    code: str
    config: str


class Hardware(Record):
    """The machine of the run."""

    system: str
    processor: str
    cores: int
    device: str


class Manifest(Record):
    """A run, well enough described that somebody else can repeat it."""

    format: Format
    foldwise: str
    command: list[str]
    competition: str
    rows: int  # of a sample; 0 = all
    seeds: Seeds
    data: dict[str, str]  # content hash of each raw file
    folds: str | None
    config_hash: str
    config: dict[str, JsonValue]  # `Competition.restore` reads it
    code_hash: str
    stages: dict[str, StageCost]
    packages: dict[str, str | None]
    python: str
    hardware: Hardware
    foreign: list[str] | None = None  # models whose predictions were made elsewhere
    written: str

    @classmethod
    def of(cls, output: Path) -> "Manifest":
        """Read the manifest of an output folder, or say that no finished run is there."""
        manifest = cls.read_if_there(output / "manifest.json")
        if manifest is None:
            raise UserError(f"{output}: no manifest.json is there; finish the run first")
        return manifest
