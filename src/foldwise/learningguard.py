"""A fine-tuned network that is no better than the class frequencies is reported loudly."""

from foldwise.terminal import warn
from foldwise.training import Record

_LEARNT = 10.8  # 99.9 % of a chi-squared variable with one degree of freedom


def learning_notes(record: Record, fold: int) -> list[str]:
    """Say whether a network beats the class shares, and whether it chose its own stop.

    Parameters
    ----------
    record : foldwise.training.Record
        A training with points on the validation curve.
    fold : int

    Returns
    -------
    list of str
        What the report must say of the fold; the terminal has shown it too.
    """
    notes = []
    points = [p for p in record.history if p["split"] == "validation"]
    last = points[-1]
    if record.best_epoch:
        notes.append("early stopping used the validation fold: this fold's score is optimistic")
        last = next(p for p in reversed(points) if p["epoch"] == record.best_epoch)
    if not last["loss"] < last["prior_loss"]:
        fault = (
            f"after {record.steps} steps the validation loss of fold {fold} is "
            f"{last['loss']:.4f}, that of the class shares {last['prior_loss']:.4f}"
        )
        # Twice the gain in log-likelihood; a loss that is not a number was not scaled.
        scaled = last.get("scaled_loss", last["prior_loss"])
        if 2 * last["rows"] * (last["prior_loss"] - scaled) > _LEARNT:
            fault = (
                f"over-confident: {fault}, but {scaled:.4f} once its logits are "
                "scaled down: fewer epochs or bert.label_smoothing may help"
            )
        else:
            fault = f"did not learn: {fault}"
        notes.append(fault)
        warn(f"bert {fault}")
    return notes
