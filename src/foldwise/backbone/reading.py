"""How rows become the sequences that a transformer reads, for single texts and for A-versus-B."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

from foldwise.backbone.batching import Examples
from foldwise.backbone.packing import Packer
from foldwise.config.competition import Competition
from foldwise.data.pairs import Pair
from foldwise.errors import require
from foldwise.features.rows import Rows


@dataclass(frozen=True)
class Reading:
    """How rows become sequences: all that a saved model must know beside its weights.

    Attributes
    ----------
    pair : Pair
        The text columns, and the classes in the order of the logits.
    mode : str
        "single", "siamese" or "cross".
    context_share : float
        Share of a sequence for the context.
    max_length : int
        Most tokens of a sequence.
    batch_tokens : int
        Most padded tokens of a forward pass; 0 = as the device likes it.
    precision : str
        As in the configuration.
    averaging : bool
        Whether a prediction is the mean over both orders.
    pooling : str
        "mean": a head on the mean of the tokens; "model": the architecture's own classifier.
    """

    pair: Pair
    mode: str
    context_share: float
    max_length: int
    batch_tokens: int
    precision: str
    averaging: bool
    pooling: str

    @classmethod
    def of(cls, competition: Competition, pair: Pair, max_length: int) -> Self:
        """Derive it from the configuration."""
        config = competition.bert
        mode = config.pair_mode if pair.enabled else "single"
        return cls(
            pair=pair,
            mode=mode,
            context_share=config.context_share,
            max_length=max_length,
            batch_tokens=config.batch_tokens,
            precision=config.precision,
            averaging=mode == "cross" and config.swap_averaging,
            # No architecture brings a classifier that compares two sequences.
            pooling="mean" if mode == "siamese" else config.pooling,
        )

    @classmethod
    def of_saved(cls, saved: dict[str, Any], path: Path) -> Self:
        """Read what `asdict` gave.

        Raises
        ------
        UserError
            Another version of foldwise wrote it.
        """
        odd = {field.name for field in fields(cls)} ^ saved.keys()
        require(
            not odd,
            f"{path}: another version of foldwise wrote this model ({', '.join(sorted(odd))} "
            "differs); fit it again: python -m foldwise run",
        )
        return cls(**saved | {"pair": Pair.restore(saved["pair"])})

    def examples(self, rows: Rows, packer: Packer, has_types: bool) -> Examples:
        """Pack the texts of rows."""
        context = [rows.texts[name] for name in self.pair.context]
        answers = [rows.texts[name] for name in self.pair.answers]
        share = self.context_share / max(1, len(context))
        if self.mode == "single":
            sides = [packer.pack(context, [1.0] * len(context))]
        elif self.mode == "siamese":
            shares = [share] * len(context) + [1 - self.context_share]
            sides = [packer.pack([*context, answer], shares) for answer in answers]
        else:
            shares = [share] * len(context) + [(1 - self.context_share) / 2] * 2
            orders = (answers, answers[::-1])
            sides = [packer.pack([*context, *order], shares) for order in orders]
        pad = packer.tokenizer.pad_token_id or 0
        return Examples(tuple(sides), self.mode == "siamese", pad, has_types)
