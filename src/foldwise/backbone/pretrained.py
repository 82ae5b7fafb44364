"""Loading pretrained weights, and refusing to train when they did not load.

transformers fills every weight that a checkpoint lacks with random numbers and goes on after a
log message; a network trained from there looks like a poor model, not like a mistake. Here only
the classification head may be new.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
import transformers
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, AutoTokenizer

from foldwise.backbone.batching import MULTIPLE
from foldwise.backbone.source import in_one_line, locate
from foldwise.errors import UserError

_WEIGHT_FILES = ("*.safetensors", "*.bin", "*.safetensors.index.json")
_HEAD_STD = 0.02
_ATTENTION_DROPOUT = ("attention_probs_dropout_prob", "attention_dropout")  # by architecture


@dataclass(frozen=True)
class Loaded:
    """A pretrained network with its tokenizer.

    Attributes
    ----------
    model : transformers.PreTrainedModel
        float32, on the CPU.
    tokenizer : transformers.PreTrainedTokenizerBase
    notes : list of str
        Sentences for the report.
    """

    model: Any
    tokenizer: Any
    notes: list[str] = field(default_factory=list)


def load(
    name: str,
    kind: Literal["classifier", "encoder"],
    classes: Sequence[str] = (),
    allow_random_weights: bool = False,
    attention_dropout: float | None = None,
) -> Loaded:
    """Load a network and its tokenizer, or refuse with the weights that are missing.

    Parameters
    ----------
    name : str
        "packaged", a folder, or a hub id.
    kind : {"classifier", "encoder"}
        With a classification head on top, or without.
    classes : sequence of str
        Class names of the head, in order; with none, the checkpoint's own head is taken.
    allow_random_weights : bool
        Accept an encoder that is not pretrained, and a folder that has no weights at all.
    attention_dropout : float, optional
        Replaces the checkpoint's own dropout of attention weights.

    Raises
    ------
    UserError
        If the model cannot be found, or if anything but the head is not in the checkpoint.
    """
    source, offline = locate(name)
    auto = AutoModelForSequenceClassification if kind == "classifier" else AutoModel
    with quiet(bars=not offline), in_one_line(name, offline):
        # Never: not asked at the prompt either, where a yes is one key away.
        options = {"local_files_only": offline, "trust_remote_code": False}
        tokenizer = AutoTokenizer.from_pretrained(source, **options)
        config = AutoConfig.from_pretrained(source, **options)
        for key in _ATTENTION_DROPOUT if attention_dropout is not None else ():
            if hasattr(config, key):
                setattr(config, key, attention_dropout)
        old_labels = list((config.id2label or {}).values())
        if classes:
            config.num_labels = len(classes)
            config.id2label = dict(enumerate(classes))
            config.label2id = {label: i for i, label in enumerate(classes)}
            config.problem_type = "single_label_classification"
        if allow_random_weights and _has_no_weights(source):
            model = auto.from_config(config, dtype=torch.float32)
            report = {"missing_keys": [f"all of {name}"], "mismatched_keys": []}
        else:
            _check_architecture(name, config, allow_random_weights)
            # A checkpoint's own dtype may be bfloat16, in which AdamW's small steps vanish.
            model, report = auto.from_pretrained(
                source,
                config=config,
                dtype=torch.float32,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
                **options,
            )
    _give_padding(model, tokenizer)
    notes = check_weights(name, model, report, allow_random_weights)
    if kind == "classifier" and classes:
        notes += _renew_head(name, model, old_labels, list(classes), notes)
    return Loaded(model, tokenizer, notes)


def check_weights(
    name: str, model: Any, report: dict[str, Any], allow_random_weights: bool
) -> list[str]:
    """Refuse a network in which more than the head is newly initialised.

    Parameters
    ----------
    name : str
        The model as the user named it.
    model : transformers.PreTrainedModel
        The loaded network.
    report : dict
        transformers' loading info: `missing_keys`, and `mismatched_keys` as names or as tuples
        that begin with the name.

    Returns
    -------
    list of str
        What is newly initialised though it may be, as sentences.
    """
    mismatched = [key if isinstance(key, str) else key[0] for key in report["mismatched_keys"]]
    new = sorted({*report["missing_keys"], *mismatched})
    prefix = f"{model.base_model_prefix}." if model.base_model is not model else ""
    body = [key for key in new if key.startswith(prefix)]
    pooler = [key for key in body if key.removeprefix(prefix).startswith("pooler.")]
    lost = [key for key in body if key not in pooler]
    if lost and not allow_random_weights:
        shown = ", ".join(lost[:5]) + (f" and {len(lost) - 5} more" if len(lost) > 5 else "")
        raise UserError(
            f"model {name!r}: {len(lost)} weights of {type(model).__name__} are not in the "
            f"checkpoint or have another shape there: {shown}; it would be trained from random "
            "numbers. Choose a checkpoint of this architecture"
        )
    notes = []
    if lost:
        notes.append(f"{name}: {len(lost)} encoder weights are random (allow_random_weights)")
    if pooler:
        notes.append(f"{name}: the checkpoint has no pooler; it is newly initialised like the head")
    head = [key for key in new if not key.startswith(prefix)]
    if head:
        notes.append(f"{name}: the classification head is newly initialised")
    return notes


def longest_input(model: Any, tokenizer: Any) -> int | None:
    """Return the most tokens a network can read, or None where nothing says.

    It is rounded down to what padding is rounded up to.
    """
    limits = [tokenizer.model_max_length, getattr(model.config, "max_position_embeddings", None)]
    table = getattr(getattr(model.base_model, "embeddings", None), "position_embeddings", None)
    if isinstance(table, torch.nn.Embedding) and table.padding_idx is not None:
        # RoBERTa counts positions from padding_idx + 1, so some rows of its table stay unused.
        limits.append(table.num_embeddings - table.padding_idx - 1)
    # A tokenizer without a limit says 1e30; a network with relative positions says -1 or 0.
    known = [int(limit) for limit in limits if limit and 0 < limit < 10**9]
    return min(known) // MULTIPLE * MULTIPLE if known else None


@contextlib.contextmanager
def quiet(bars: bool = False) -> Iterator[None]:
    """Silence transformers' load reports and, unless a download may need them, its bars."""
    log = transformers.utils.logging
    verbosity, had_bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    if not bars:
        log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(verbosity)
        if had_bars:
            log.enable_progress_bar()


def _check_architecture(name: str, config: Any, allow_random_weights: bool) -> None:
    """Refuse weights saved by one architecture under the configuration of another.

    Bare encoders share weight names across architectures, so such a checkpoint can load whole
    and still be read wrongly.
    """
    for architecture in config.architectures or []:
        saved = getattr(getattr(transformers, architecture, None), "config_class", None)
        if saved is not None and saved is not type(config) and not allow_random_weights:
            raise UserError(
                f"model {name!r}: its weights were saved by {architecture}, but its config.json "
                f"says model_type = {config.model_type!r}"
            )


def _renew_head(
    name: str, model: Any, old: list[str], classes: list[str], notes: list[str]
) -> list[str]:
    """Start the output layer anew unless the checkpoint's own head has these very classes."""
    body = {id(module) for module in model.base_model.modules()}
    layers = [
        module
        for module in model.modules()
        if isinstance(module, torch.nn.Linear)
        and id(module) not in body
        and module.out_features == len(classes)
    ]
    if any("head is newly" in note for note in notes) or not layers:
        return []
    if old == classes:
        return [f"{name}: the checkpoint's own classification head is kept (same classes)"]
    for layer in layers:
        torch.nn.init.normal_(layer.weight, std=_HEAD_STD)
        if layer.bias is not None:
            torch.nn.init.zeros_(layer.bias)
    return [f"{name}: the checkpoint's head was for {old[:5]}; it is newly initialised"]


def _give_padding(model: Any, tokenizer: Any) -> None:
    """Make padding known to a tokenizer and a network that have none (decoders)."""
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    if model.config.pad_token_id is None:
        model.config.pad_token_id = tokenizer.pad_token_id


def _has_no_weights(source: str) -> bool:
    folder = Path(source)
    return folder.is_dir() and not any(any(folder.glob(p)) for p in _WEIGHT_FILES)
