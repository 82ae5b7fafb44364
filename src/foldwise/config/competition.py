"""A competition as one frozen, validated type, read from TOML.

`competitions/default.toml` holds every key; a competition file and then `--set` override it.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from foldwise.config.overrides import Table, merge, override, parse_setting, read
from foldwise.config.roster import KINDS
from foldwise.config.sections import (
    BertConfig,
    CleanConfig,
    Count,
    DataConfig,
    EmbeddingConfig,
    EnsembleConfig,
    FeaturesConfig,
    FoldsConfig,
    KaggleConfig,
    LightgbmConfig,
    LinearConfig,
    LogregConfig,
    PairConfig,
    ReportConfig,
    Section,
    SimulateConfig,
    SubmissionConfig,
    SvmConfig,
    WeightsConfig,
)
from foldwise.errors import UserError, nearest, require
from foldwise.files import PACKAGE

COMPETITIONS = PACKAGE / "competitions"


class Competition(Section):
    """A whole competition: every key of `default.toml`, checked."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    title: str
    metric: Literal["log_loss", "accuracy", "f1_macro"]
    seed: Count
    jobs: Count
    models: Annotated[tuple[Literal[tuple(KINDS)], ...], Field(min_length=1)]
    data: DataConfig
    pair: PairConfig
    clean: CleanConfig
    features: FeaturesConfig
    folds: FoldsConfig
    weights: WeightsConfig
    logreg: LogregConfig
    svm: SvmConfig
    lightgbm: LightgbmConfig
    embedding: EmbeddingConfig
    bert: BertConfig
    ensemble: EnsembleConfig
    submission: SubmissionConfig
    kaggle: KaggleConfig
    report: ReportConfig
    simulate: SimulateConfig

    @model_validator(mode="after")
    def _coherent(self) -> "Competition":
        _check_data(self.data)
        _check_pair(self.pair, self.data, self.weights)
        for name, section in self:
            linear = isinstance(section, LinearConfig)
            if linear and self.pair.enabled and section.nb_ratio == "on":
                raise ValueError(f"{name}.nb_ratio = 'on' is for single texts, not for a [pair]")
        if len(set(self.models)) != len(self.models):
            raise ValueError("models names a model twice")
        return self

    @classmethod
    def restore(cls, values: Table) -> "Competition":
        """Return the configuration that `model_dump(mode="json")` wrote.

        A key that came after it was written takes its default.
        """
        default = read(COMPETITIONS / "default.toml")
        return cls.model_validate(_tuples(merge(default, values)))

    def section(self, *names: str) -> Table:
        """Return the named sections or top-level keys as plain data, for hashing and storing."""
        whole = self.model_dump(mode="json")
        return {name: whole[name] for name in names}

    def section_names(self) -> set[str]:
        """Names of the sections, without the top-level keys."""
        fields = type(self).model_fields
        return {name for name in fields if isinstance(getattr(self, name), Section)}


def load_competition(
    source: str | Path,
    settings: Iterable[str] = (),
    models: Iterable[str] | None = None,
    overrides: Iterable[Path] = (),
) -> Competition:
    """Read a competition from a shipped name or a TOML file.

    Parameters
    ----------
    source : str or Path
        Name of a shipped competition (`sample`, `arena`, …) or path to a TOML file.
    settings : iterable of str
        `section.key=value` overrides; values are TOML, a bare word is a string.
    models : iterable of str, optional
        Replaces the key `models`.
    overrides : iterable of Path
        TOML files that override the competition's, one after the other.

    Raises
    ------
    UserError
        One line with the file, the key and the nearest valid key.
    """
    path = _find(source)
    default = read(COMPETITIONS / "default.toml") | {"name": _name(path)}
    values, competition = _apply(default, default, read(path), str(path))
    for file in overrides:
        values, competition = _apply(values, default, read(file), str(file))
    for setting in settings:
        table = parse_setting(setting)
        values, competition = _apply(values, default, table, f"--set {setting}")
    if models is not None:
        values = values | {"models": list(models)}
        competition = _validate(values, "--models")
    return competition


def change_competition(competition: Competition, settings: Iterable[str]) -> Competition:
    """Return a competition with `section.key=value` overrides, checked as in `load`."""
    default = read(COMPETITIONS / "default.toml") | {"name": competition.name}
    values = competition.model_dump(mode="json")
    for setting in settings:
        table = parse_setting(setting)
        values, competition = _apply(values, default, table, f"--set {setting}")
    return competition


def with_section(competition: Competition, section: str, values: Table, origin: str) -> Competition:
    """Return a competition with other values in one section, checked like a file's."""
    return _validate(merge(competition.model_dump(mode="json"), {section: values}), origin)


def shipped() -> list[str]:
    """Names of the competitions that come with the package."""
    return sorted(p.stem for p in COMPETITIONS.glob("*.toml") if p.stem != "default")


def _find(source: str | Path) -> Path:
    path = Path(source)
    if path.suffix == ".toml":
        require(path.is_file(), f"{path}: no such configuration file")
        return path
    if str(source) in shipped():
        return COMPETITIONS / f"{source}.toml"
    hint = nearest(str(source), shipped()) or "."
    raise UserError(
        f"no competition named {str(source)!r}{hint} Shipped: {', '.join(shipped())}; "
        "or give the path of a .toml file"
    )


def _name(path: Path) -> str:
    """Return a file's name without what a folder had better not be called."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).lstrip("._-") or "competition"


def _check_data(data: DataConfig) -> None:
    if len(set(data.text)) != len(data.text):
        raise ValueError("data.text names a column twice")
    for column in data.text:
        if column in ([data.target] if isinstance(data.target, str) else data.target):
            raise ValueError(f"data.text: {column!r} is the target, which no model may read")
        # The cleaned table holds the texts under their own names, beside these.
        if column in ("id", "label", "group"):
            raise ValueError(f"data.text: a text column cannot be called {column!r}; rename it")
    for column in data.group_columns:
        if column not in data.text:
            raise ValueError(f"data.group: {column!r} is not one of data.text {data.text}")
    if data.one_hot and len(data.target) < 2:
        raise ValueError("data.target: one-hot needs two columns or more; or name one column")
    if data.one_hot and data.classes and set(data.classes) != set(data.target):
        raise ValueError("data.classes: must be the one-hot columns of data.target, or []")


def _check_pair(pair: PairConfig, data: DataConfig, weights: WeightsConfig) -> None:
    if not pair.enabled:
        if pair.second or pair.context or pair.swap:
            raise ValueError("pair.first is empty but other keys of [pair] are set")
        return
    for key in ("context", "first", "second"):
        column = getattr(pair, key)
        optional = key == "context" and not column
        if column not in data.text and not optional:
            raise ValueError(f"pair.{key}: {column!r} is not in data.text")
    if pair.first == pair.second:
        raise ValueError("pair.first and pair.second are the same column")
    known = data.target if data.one_hot else data.classes
    if len(set(pair.swap)) != 2 or not set(pair.swap) <= set(known):
        raise ValueError("pair.swap: name two of the classes (one-hot columns, or data.classes)")
    if isinstance(weights.classes, tuple) and len(weights.classes) == len(known):
        first, second = (weights.classes[(data.classes or known).index(name)] for name in pair.swap)
        if first != second:
            raise ValueError(
                f"weights.classes: {pair.swap[0]!r} and {pair.swap[1]!r} trade places when A and "
                f"B do, so they have one weight, not {first:g} and {second:g}"
            )


def _apply(values: Table, default: Table, change: Table, origin: str) -> tuple[Table, Competition]:
    """Return the changed values and the competition they make, so that a fault has one origin."""
    values = override(values, default, change, origin)
    return values, _validate(values, origin)


def _validate(values: Table, origin: str) -> Competition:
    try:
        return Competition.model_validate(_tuples(values))
    except ValidationError as error:
        first = error.errors()[0]
        # A union adds the branch it tried to the location; the reader only wants the key.
        key = ".".join(part for part in first["loc"][:2] if isinstance(part, str))
        message = first["msg"].removeprefix("Value error, ")
        message = message.replace("valid tuple", "list").replace("Tuple", "List")
        if first["type"] == "value_error":
            shown = f"{key}: " if key else ""
        else:
            shown = f"{key} = {_plain(first['input'])}: "
        raise UserError(f"{origin}: {shown}{message}") from None


def _tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _tuples(inner) for key, inner in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value


def _plain(value: Any) -> str:
    return str(list(value)) if isinstance(value, tuple) else repr(value)
