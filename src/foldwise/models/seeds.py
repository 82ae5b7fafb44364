"""The transformer of a fold: one training, or several with different seeds, averaged.

A fine-tuned network varies with its seed by as much as many a change to the method is worth;
the mean of the probabilities of several is better than nearly all of them.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from foldwise.features.rows import Rows
from foldwise.files import atomic, read_json, write_json
from foldwise.finetune import distributed
from foldwise.hashing import code_hash, content_hash
from foldwise.models.bert import Bert
from foldwise.models.model import Info, Task

_STRIDE = 100_003  # between the seeds of a fold; the seeds of folds lie closer together


class SeedAverage:
    """Members trained alike but for their seed."""

    uses_validation = True

    def __init__(self, members: list[Bert], info: Info) -> None:
        self.members, self.info = members, info

    @classmethod
    def fit(cls, train: Rows, task: Task, validation: Rows | None = None) -> Self:
        """Fine-tune `bert.seeds` networks; those a killed run had finished are read again."""
        n = task.competition.bert.seeds
        members, infos = [], []
        for i in range(n):
            changes: dict[str, Any] = {"seed": task.seed + _STRIDE * i}
            if task.allowance is not None:
                changes["allowance"] = replace(task.allowance, seeds=n - i)
            if n > 1:
                changes["scratch"] = task.scratch / f"seed-{i}"
            one = replace(task, **changes)
            # A single network is stored with its fold a moment later.
            fitted = _resumed(train, one, validation) if n > 1 else Bert.fit(train, one, validation)
            members.append(fitted)
            infos.append(fitted.info)
        return cls(members, _joint(infos))

    def predict(self, rows: Rows) -> np.ndarray:
        """Return the mean of the members' class probabilities, float64, shape (n, C)."""
        return np.mean([member.predict(rows) for member in self.members], axis=0)

    def save(self, folder: Path) -> None:
        """Write a single member into the folder itself, several into `seed-0/`, `seed-1/`, …."""
        if len(self.members) == 1:
            self.members[0].save(folder)
            return
        for i, member in enumerate(self.members):
            (folder / f"seed-{i}").mkdir()
            member.save(folder / f"seed-{i}")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; needs no network."""
        folders = sorted(folder.glob("seed-*"), key=lambda path: int(path.name[5:])) or [folder]
        return cls([Bert.load(path) for path in folders], {})


def _resumed(train: Rows, task: Task, validation: Rows | None) -> Bert:
    """Fit one member and store it in its scratch folder, or read it from there."""
    done, key = task.scratch / "finished", _key(train, task)
    record = distributed.broadcast(read_json(done / "member.json"))
    if record and record["key"] == key and done.is_dir():
        member = Bert.load(done)
        member.info = record["info"]
        return member
    member = Bert.fit(train, task, validation)
    if distributed.rank() == 0:
        with atomic(done) as partial:
            partial.mkdir(parents=True)
            member.save(partial)
            write_json(partial / "member.json", {"key": key, "info": member.info})
        for path in task.scratch.glob("state.pt"):
            path.unlink()
    return member


def _key(train: Rows, task: Task) -> str:
    rows = [train.ids.tolist(), train.labels.tolist(), [t.tolist() for t in train.texts.values()]]
    whole = task.competition.model_dump(mode="json")
    config = {name: whole[name] for name in ("pair", "data", "bert")}
    weights = task.class_weights.tolist()
    return content_hash(config, task.classes, weights, task.seed, rows, code_hash(__name__))


def _joint(infos: list[Info]) -> Info:
    """Return the first member's facts, with the costs and notes of all."""
    if len(infos) == 1:
        return infos[0]
    notes = list(dict.fromkeys(note for info in infos for note in info["notes"]))
    return {
        **infos[0],
        "notes": [*notes, f"the mean of {len(infos)} seeds; the curve is that of the first"],
        "steps": sum(info["steps"] for info in infos),
        "histories": [info["history"] for info in infos],
    }
