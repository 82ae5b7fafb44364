"""A run: one competition with its folders, and what an earlier run left there."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from foldwise.config.competition import Competition, change_competition
from foldwise.config.manifest import Manifest
from foldwise.config.roster import PRIOR
from foldwise.errors import UserError, require
from foldwise.hashing import content_hash


class Unit(NamedTuple):
    """One model without one fold: what is fitted, stored, resumed and sent to other machines."""

    model: str
    fold: int

    def __str__(self) -> str:
        return f"{self.model}/fold-{self.fold}"

    @classmethod
    def parse(cls, text: str) -> "Unit":
        """Return the unit that `str` wrote."""
        model, _, fold = text.rpartition("/fold-")
        return cls(model, int(fold))


@dataclass(frozen=True)
class Run:
    """One competition with its folders; every stage gets this and nothing else."""

    competition: Competition
    input: Path
    output: Path
    force: bool = False
    rows: int = 0
    time_budget: float = 0.0  # seconds of the whole run; 0 = no limit
    started: float = 0.0  # seconds since the epoch
    engine: str = "local"
    ray_address: str = "auto"

    @classmethod
    def of(
        cls,
        competition: Competition,
        input: Path | None = None,
        output: Path | None = None,
        **options: Any,
    ) -> "Run":
        """Return a run whose folders, where none are given, are those of the competition's name."""
        name = competition.name
        return cls(
            competition, input or Path("input") / name, output or Path("output") / name, **options
        )

    @property
    def clean(self) -> Path:
        """Folder of the canonical tables."""
        return self.output / "clean"

    @property
    def features(self) -> Path:
        """Folder of the term counts and dense features."""
        return self.output / "features"

    @property
    def folds(self) -> Path:
        """The fold of every training row."""
        return self.output / "folds.parquet"

    @property
    def ensemble(self) -> Path:
        """Folder of the blend."""
        return self.output / "ensemble"

    def model(self, name: str) -> Path:
        """Folder of one model."""
        return self.output / "models" / name

    def fold(self, name: str, fold: int) -> Path:
        """Folder of one model fitted without one fold."""
        return self.model(name) / f"fold-{fold}"


def config_hash(run: Run, sections: tuple[str, ...]) -> str:
    """Hash the parts of the configuration that a stage or a unit depends on."""
    return content_hash(run.competition.section(*sections), run.rows)


def finished(output: Path, input: Path | None = None, settings: Sequence[str] = ()) -> Run:
    """Return the run of an output folder, with the configuration that its manifest holds.

    Raises
    ------
    UserError
        No finished run is there, or one of another version of foldwise.
    """
    require(output.is_dir(), f"{output}: no such folder")
    manifest = Manifest.read_if_there(output / "manifest.json")
    done = (output / "ensemble" / "weights.json").exists() and (output / "folds.parquet").exists()
    if manifest is None or not done:
        raise UserError(
            f"{output}: no finished run is there; `run` it up to the ensemble stage first"
        )
    if manifest.foreign:
        # Their names are not those of the pipeline's models.
        plain = Competition.restore(manifest.config | {"models": [PRIOR]})
        models = (PRIOR, *manifest.foreign)
        competition = change_competition(plain, settings).model_copy(update={"models": models})
        return Run(competition, output, output)
    competition = change_competition(Competition.restore(manifest.config), settings)
    return Run.of(competition, input, output, rows=manifest.rows)
