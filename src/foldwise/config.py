"""A competition as one frozen, validated type, read from TOML.

`competitions/default.toml` holds every key; a competition file and then `--set` override it.
No type here has a default of its own, so the file is the only source of defaults.
"""

import difflib
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from foldwise.errors import UserError, require

COMPETITIONS = Path(__file__).parent / "competitions"
POOLS = ("linear", "hill_climbing", "log_linear", "stacking")
MODEL_NAMES = ("prior", "logreg", "svm", "lightgbm", "embedding", "bert")

Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
NgramRange = Annotated[tuple[int, ...], Field(max_length=2)]


class Section(BaseModel):
    """A part of the configuration: immutable, strict about types, closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Data(Section):
    """The raw files and what their columns mean."""

    train: str
    test: str
    sample_submission: str
    columns: tuple[str, ...]
    encoding: str
    id: str
    text: Annotated[tuple[str, ...], Field(min_length=1)]
    target: str | tuple[str, ...]
    classes: tuple[str, ...]
    group: tuple[str, ...]
    missing_text: Literal["fill", "drop"]
    download: str

    @field_validator("train", "test", "sample_submission")
    @classmethod
    def _inside(cls, name: str) -> str:
        if Path(name).is_absolute() or ".." in Path(name).parts or "\\" in name or "\0" in name:
            raise ValueError("must be a file inside the input folder; use --input for the folder")
        return name

    @property
    def one_hot(self) -> bool:
        """Whether the target is spread over one column a class."""
        return not isinstance(self.target, str)

    @property
    def group_columns(self) -> tuple[str, ...]:
        """The text columns whose joint text makes a group."""
        return self.group or self.text[:1]


class Pair(Section):
    """Which text columns are answers A and B, and which classes trade places with them."""

    context: str
    first: str
    second: str
    swap: Annotated[tuple[str, ...], Field(max_length=2)]
    context_scale: Positive
    distance_scale: Positive

    @property
    def enabled(self) -> bool:
        """Whether the competition compares two answers."""
        return bool(self.first)


class Clean(Section):
    """Cleaning that every model sees."""

    unicode: Literal["NFKC", "NFC", "none"]
    html: Literal["strip", "unescape", "keep"]
    urls: Literal["token", "drop", "keep"]


class Features(Section):
    """The TF-IDF text, its n-grams, and the dense features."""

    lowercase: bool
    punctuation: bool
    stop_words: bool
    stemming: Literal["none", "porter", "snowball", "wordnet"]
    word_ngrams: NgramRange
    char_ngrams: NgramRange
    min_df: Annotated[int, Field(ge=1)]
    max_features: Count
    max_chars: Count
    structure: bool

    @model_validator(mode="after")
    def _ranges(self) -> "Features":
        for key in ("word_ngrams", "char_ngrams"):
            span = getattr(self, key)
            if span and not (len(span) == 2 and 1 <= span[0] <= span[1] <= 8):
                raise ValueError(f"{key} must be [shortest, longest] within 1 to 8, or []")
        if not self.word_ngrams and not self.char_ngrams and not self.structure:
            raise ValueError("word_ngrams, char_ngrams and structure are all off: nothing to learn")
        return self


class Folds(Section):
    """Cross-validation folds."""

    n: Annotated[int, Field(ge=2, le=100)]
    stratify: bool


class Weights(Section):
    """How classes of unequal size are treated in training."""

    classes: Literal["none", "balanced"] | tuple[Positive, ...]
    oversample: bool
    correct_prior: bool


class Logreg(Section):
    """Logistic regression on TF-IDF."""

    C: Annotated[tuple[Positive, ...], Field(min_length=1)]
    max_iter: Annotated[int, Field(ge=1)]
    nb_ratio: Literal["auto", "on", "off"]


class Svm(Section):
    """Linear support vector machine with calibrated probabilities."""

    C: Annotated[tuple[Positive, ...], Field(min_length=1)]
    max_iter: Annotated[int, Field(ge=1)]
    nb_ratio: Literal["auto", "on", "off"]
    calibration_folds: Annotated[int, Field(ge=2)]


class Lightgbm(Section):
    """Gradient-boosted trees."""

    top_terms: Count
    num_leaves: Annotated[int, Field(ge=2)]
    learning_rate: Positive
    max_rounds: Annotated[int, Field(ge=1)]
    early_stopping: Annotated[int, Field(ge=1)]
    min_child_samples: Annotated[int, Field(ge=1)]
    feature_fraction: Annotated[float, Field(gt=0, le=1)]
    bagging_fraction: Annotated[float, Field(gt=0, le=1)]
    lambda_l2: Annotated[float, Field(ge=0)]


class Embedding(Section):
    """Frozen encoder and logistic regression."""

    model: str
    max_length: Annotated[int, Field(ge=8)]
    batch_tokens: Annotated[int, Field(ge=8)]
    C: Annotated[tuple[Positive, ...], Field(min_length=1)]


class Bert(Section):
    """k-fold fine-tuning of a transformer."""

    model: str
    pair_mode: Literal["siamese", "cross"]
    max_length: Annotated[int, Field(ge=8)]
    context_share: Annotated[float, Field(gt=0, lt=1)]
    epochs: Annotated[int, Field(ge=1)]
    learning_rate: Positive
    head_learning_rate: Positive
    layer_decay: Annotated[float, Field(gt=0, le=1)]
    weight_decay: Annotated[float, Field(ge=0)]
    attention_dropout: Annotated[float, Field(ge=0, lt=1)]
    warmup: Share
    schedule: Literal["linear", "cosine"]
    batch_size: Annotated[int, Field(ge=1)]
    batch_tokens: Annotated[int, Field(ge=8)]
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]
    max_grad_norm: Positive
    precision: Literal["auto", "bf16", "fp16", "fp32"]
    swap_augmentation: bool
    swap_averaging: bool
    turn_dropping: Annotated[float, Field(ge=0, lt=1)]
    word_deletion: Annotated[float, Field(ge=0, lt=1)]
    word_swap: Annotated[float, Field(ge=0, lt=1)]
    token_dropout: Annotated[float, Field(ge=0, lt=1)]
    seeds: Annotated[int, Field(ge=1)]
    ema: Annotated[float, Field(ge=0, lt=1)]
    early_stopping: Count
    evaluations_per_epoch: Annotated[int, Field(ge=1)]
    tensorboard: bool
    gradient_checkpointing: bool
    compile: bool
    workers: Count
    over_budget: Literal["drop", "stop"]
    allow_random_weights: bool


class Ensemble(Section):
    """Which blends compete."""

    methods: Annotated[tuple[Literal[POOLS], ...], Field(min_length=1)]
    bias: bool


class Submission(Section):
    """What the submission file holds."""

    kind: Literal["auto", "probabilities", "label", "positive"]


class Kaggle(Section):
    """Where the competition runs on Kaggle."""

    competition: Annotated[str, Field(pattern=r"^[a-z0-9-]*$")]


class Report(Section):
    """Intervals and costs in the report."""

    bootstrap: Annotated[int, Field(ge=100)]
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    price_per_hour: Annotated[float, Field(ge=0)]
    learning_curve: bool


class Simulate(Section):
    """Size and seed of the simulated arena; zero rows for a real competition."""

    train_rows: Count
    test_rows: Count
    seed: Count


class Competition(Section):
    """A whole competition: every key of `default.toml`, checked."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    title: str
    metric: Literal["log_loss", "accuracy", "f1_macro"]
    seed: Count
    jobs: Count
    models: Annotated[tuple[Literal[MODEL_NAMES], ...], Field(min_length=1)]
    data: Data
    pair: Pair
    clean: Clean
    features: Features
    folds: Folds
    weights: Weights
    logreg: Logreg
    svm: Svm
    lightgbm: Lightgbm
    embedding: Embedding
    bert: Bert
    ensemble: Ensemble
    submission: Submission
    kaggle: Kaggle
    report: Report
    simulate: Simulate

    @model_validator(mode="after")
    def _coherent(self) -> "Competition":
        data, pair = self.data, self.pair
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
        if pair.enabled:
            for key in ("context", "first", "second"):
                if key == "context" and not pair.context:
                    continue
                if getattr(pair, key) not in data.text:
                    raise ValueError(f"pair.{key}: {getattr(pair, key)!r} is not in data.text")
            if pair.first == pair.second:
                raise ValueError("pair.first and pair.second are the same column")
            known = data.target if data.one_hot else data.classes
            if len(set(pair.swap)) != 2 or not set(pair.swap) <= set(known):
                raise ValueError(
                    "pair.swap: name two of the classes (one-hot columns, or data.classes)"
                )
        elif pair.second or pair.context or pair.swap:
            raise ValueError("pair.first is empty but other keys of [pair] are set")
        for section in ("logreg", "svm"):
            if pair.enabled and getattr(self, section).nb_ratio == "on":
                raise ValueError(f"{section}.nb_ratio = 'on' is for single texts, not for a [pair]")
        if len(set(self.models)) != len(self.models):
            raise ValueError("models names a model twice")
        return self

    @classmethod
    def restore(cls, values: dict[str, Any]) -> "Competition":
        """Return the configuration that `model_dump(mode="json")` wrote.

        A key that came after it was written takes its default.
        """
        default = _read(COMPETITIONS / "default.toml")
        return cls.model_validate(_tuples(_merge(default, values)))

    def section(self, *names: str) -> dict[str, Any]:
        """Return the named sections or top-level keys as plain data, for hashing and storing."""
        whole = self.model_dump(mode="json")
        return {name: whole[name] for name in names}

    def section_names(self) -> set[str]:
        """Names of the sections, without the top-level keys."""
        fields = type(self).model_fields
        return {name for name in fields if isinstance(getattr(self, name), Section)}


def load(
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
    default = _read(COMPETITIONS / "default.toml") | {"name": _name(path)}
    values = _override(default, default, _read(path), str(path))
    competition = _validate(values, str(path))
    for override in overrides:
        values = _override(values, default, _read(override), str(override))
        competition = _validate(values, str(override))
    for setting in settings:
        values = _apply(values, default, setting)
        competition = _validate(values, f"--set {setting}")
    if models is not None:
        values = values | {"models": list(models)}
        competition = _validate(values, "--models")
    return competition


def change(competition: Competition, settings: Iterable[str]) -> Competition:
    """Return a competition with `section.key=value` overrides, checked as in `load`."""
    default = _read(COMPETITIONS / "default.toml") | {"name": competition.name}
    values = competition.model_dump(mode="json")
    for setting in settings:
        values = _apply(values, default, setting)
        competition = _validate(values, f"--set {setting}")
    return competition


def with_section(
    competition: Competition, section: str, values: dict[str, Any], origin: str
) -> Competition:
    """Return a competition with other values in one section, checked like a file's."""
    return _validate(_merge(competition.model_dump(mode="json"), {section: values}), origin)


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
    near = difflib.get_close_matches(str(source), shipped(), n=1)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    raise UserError(
        f"no competition named {str(source)!r}{hint} Shipped: {', '.join(shipped())}; "
        "or give the path of a .toml file"
    )


def _name(path: Path) -> str:
    """Return a file's name without what a folder had better not be called."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).lstrip("._-") or "competition"


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not valid TOML: {error}") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None


def _merge(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in change.items():
        both = isinstance(value, dict) and isinstance(base.get(key), dict)
        merged[key] = _merge(base[key], value) if both else value
    return merged


def _override(
    values: dict[str, Any], known: dict[str, Any], change: dict[str, Any], origin: str
) -> dict[str, Any]:
    _check_keys(change, known, origin)
    return _merge(values, change)


def _apply(values: dict[str, Any], default: dict[str, Any], setting: str) -> dict[str, Any]:
    return _override(values, default, _parse_setting(setting), f"--set {setting}")


def _parse_setting(setting: str) -> dict[str, Any]:
    key, equals, text = setting.partition("=")
    require(bool(equals) and bool(key.strip()), f"--set {setting}: write section.key=value")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    for part in reversed(key.strip().split(".")):
        value = {part: value}
    return value


def _check_keys(values: dict[str, Any], known: dict[str, Any], origin: str) -> None:
    flat = list(_flatten(known))
    sections = [key for key, value in known.items() if isinstance(value, dict)]
    for key, value in values.items():
        if key not in known:
            inner = [f"{key}.{sub}" for sub in value] if isinstance(value, dict) else [key]
            _unknown(inner[0] if inner else key, flat + sections, origin)
        if isinstance(known[key], dict) != isinstance(value, dict):
            kind = "is a section" if key in sections else "is not a section"
            raise UserError(f"{origin}: {key} {kind}")
        if isinstance(value, dict):
            for sub in value:
                if sub not in known[key]:
                    _unknown(f"{key}.{sub}", flat, origin)


def _unknown(key: str, known: list[str], origin: str) -> None:
    # The whole key first ("fold.n" is nearest to "folds.n"), then its last part ("seeds").
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    near = near or [k for k in known if k.split(".")[-1] == key.split(".")[-1]][:1]
    hint = f"; the nearest valid key is {near[0]!r}" if near else "; see default.toml"
    raise UserError(f"{origin}: unknown key {key!r}{hint}")


def _flatten(values: dict[str, Any]) -> Iterable[str]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from (f"{key}.{sub}" for sub in value)
        else:
            yield key


def _validate(values: dict[str, Any], origin: str) -> Competition:
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
