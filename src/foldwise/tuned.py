"""What a report must say of settings that `foldwise tune` chose on the folds it scores them on.

Reads  tune/<model>.json
"""

from pathlib import Path
from typing import Any

from foldwise.files import read_json
from foldwise.stage import Run


def record_path(run: Run, model: str) -> Path:
    """Path of what `tune` found for a model."""
    return run.output / "tune" / f"{model}.json"


def warnings(run: Run) -> list[str]:
    """Return a sentence for each model that was run with the settings that `tune` found."""
    found = []
    for model in run.competition.models:
        record = read_json(record_path(run, model))
        if record and _is_used(run, model, record["values"]):
            found.append(
                f"{model}: its settings are the best of {record['trials']} trials of tune on "
                f"these very folds, so its score is optimistic{_by_how_much(record)}"
            )
    return found


def _is_used(run: Run, model: str, values: dict[str, Any]) -> bool:
    section = run.competition.section(model)[model]
    return all(section.get(key) == value for key, value in values.items())


def _by_how_much(record: dict[str, Any]) -> str:
    if "nested" not in record:
        return "; tune --nested says by how much."
    return (
        f": {record['metric']} {record['nested']:.4f} where they are chosen without the fold they "
        f"are judged on, against {record['tuned']:.4f} (difference {record['optimism']:+.4f})."
    )
