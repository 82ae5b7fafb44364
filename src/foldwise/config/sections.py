"""The sections of a configuration, a type each; default.toml explains the keys.

No type here has a default of its own, so `competitions/default.toml` is the only source of
defaults.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

FEW_ROWS = 3000  # of a training fold, up to which C is chosen on all inner splits
POOLS = ("mean", "linear", "hill_climbing", "log_linear", "stacking")

Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
NgramRange = Annotated[tuple[int, ...], Field(max_length=2)]


class Section(BaseModel):
    """A part of the configuration: immutable, strict about types, closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class DataConfig(Section):
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


class PairConfig(Section):
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

    @property
    def answers(self) -> tuple[str, ...]:
        """The text columns of A and B; none for single texts."""
        return (self.first, self.second) if self.enabled else ()

    def others(self, columns: tuple[str, ...]) -> tuple[str, ...]:
        """Return the text columns that are neither A nor B."""
        return tuple(name for name in columns if name not in self.answers)


class CleanConfig(Section):
    """Cleaning that every model sees."""

    unicode: Literal["NFKC", "NFC", "none"]
    html: Literal["strip", "unescape", "keep"]
    urls: Literal["token", "drop", "keep"]


class FeaturesConfig(Section):
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
    def _ranges(self) -> "FeaturesConfig":
        for key in ("word_ngrams", "char_ngrams"):
            span = getattr(self, key)
            if span and not (len(span) == 2 and 1 <= span[0] <= span[1] <= 8):
                raise ValueError(f"{key} must be [shortest, longest] within 1 to 8, or []")
        if not self.word_ngrams and not self.char_ngrams and not self.structure:
            raise ValueError("word_ngrams, char_ngrams and structure are all off: nothing to learn")
        return self


class FoldsConfig(Section):
    """Cross-validation folds."""

    n: Annotated[int, Field(ge=2, le=100)]
    stratify: bool


class WeightsConfig(Section):
    """How classes of unequal size are treated in training."""

    classes: Literal["none", "balanced"] | tuple[Positive, ...]
    oversample: bool
    correct_prior: bool


class LinearConfig(Section):
    """What the linear models on TF-IDF have in common."""

    C: Annotated[tuple[Positive, ...], Field(min_length=1)]
    max_iter: Annotated[int, Field(ge=1)]
    nb_ratio: Literal["auto", "on", "off"]
    inner_splits: Literal["auto", "one", "all"]

    def n_splits(self, n_rows: int, n_parts: int) -> int:
        """Return on how many of the inner splits of some training rows C is chosen.

        Where rows are few, one split is too small to tell the values of C apart; where they are
        many it is large enough, and every further one costs as much as the fit itself.
        """
        every = self.inner_splits == "all" or (self.inner_splits == "auto" and n_rows <= FEW_ROWS)
        return n_parts if every else 1


class LogregConfig(LinearConfig):
    """Logistic regression on TF-IDF."""


class SvmConfig(LinearConfig):
    """Linear support vector machine with calibrated probabilities."""

    calibration_folds: Annotated[int, Field(ge=2)]


class LightgbmConfig(Section):
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


class EmbeddingConfig(Section):
    """Frozen encoder and logistic regression."""

    model: str
    max_length: Annotated[int, Field(ge=8)]
    batch_tokens: Count
    C: Annotated[tuple[Positive, ...], Field(min_length=1)]


class BertConfig(Section):
    """k-fold fine-tuning of a transformer."""

    model: str
    pair_mode: Literal["siamese", "cross"]
    pooling: Literal["mean", "model"]
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
    batch_tokens: Count
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


class EnsembleConfig(Section):
    """Which blends compete."""

    methods: Annotated[tuple[Literal[POOLS], ...], Field(min_length=1)]
    bias: bool


class SubmissionConfig(Section):
    """What the submission file holds."""

    kind: Literal["auto", "probabilities", "label", "positive"]


class KaggleConfig(Section):
    """Where the competition runs on Kaggle."""

    competition: Annotated[str, Field(pattern=r"^[a-z0-9-]*$")]


class ReportConfig(Section):
    """Intervals and costs in the report."""

    bootstrap: Annotated[int, Field(ge=100)]
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    price_per_hour: Annotated[float, Field(ge=0)]
    learning_curve: bool


class SimulateConfig(Section):
    """Size and seed of the simulated arena; zero rows for a real competition."""

    train_rows: Count
    test_rows: Count
    seed: Count
