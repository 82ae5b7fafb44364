"""Count terms and describe texts, once for all folds and models.

Reads  clean/train.parquet, clean/test.parquet
Writes features/train/, features/test/ (arrays), features/features.json

Nothing is fitted here: vocabularies, IDF and scalings are chosen inside each fold.
"""

from pathlib import Path

import joblib
import numpy as np
import pandas as pd

from foldwise.config.run import Run
from foldwise.data.cleaned import table_path
from foldwise.features import memory
from foldwise.features.featurise import featurise
from foldwise.features.rows import FeatureRecord
from foldwise.features.table import FeatureTable
from foldwise.files import atomic, remove
from foldwise.hashing import file_hash
from foldwise.stages.stage import Stage


def features(run: Run) -> str:
    """Build the feature tables of the training and the test rows."""
    competition = run.competition
    jobs = competition.jobs or joblib.cpu_count()
    texts = _texts(run, "train")
    memory.check_texts(run, texts)
    train, notes = featurise(texts, competition, jobs)
    del texts
    hashes = {kind: counts.hashes for kind, counts in train.counts.items()}
    _save(train, run.features / "train")
    has_test = table_path(run, "test").exists()
    if has_test:
        test, _ = featurise(_texts(run, "test"), competition, jobs, hashes)
        _save(test, run.features / "test")
    else:
        remove(run.features / "test")
    sizes = {kind: len(terms) for kind, terms in hashes.items()}
    FeatureRecord(
        terms=sizes,
        texts=len(train.structure),
        rows=len(train),
        notes=notes,
        content={
            path.relative_to(run.features).as_posix(): file_hash(path)
            for path in sorted(run.features.glob("*/*.np?"))
        },
    ).write(run.features / "features.json")
    terms = " and ".join(f"{n:,} {kind} n-grams" for kind, n in sizes.items()) or "no n-grams"
    return f"{terms} in {len(train.structure):,} distinct texts" + "".join(f"; {n}" for n in notes)


def _texts(run: Run, split: str) -> dict[str, np.ndarray]:
    names = list(run.competition.data.text)
    table = pd.read_parquet(table_path(run, split), columns=names)
    return {name: table[name].to_numpy(dtype=object) for name in names}


def _save(table: FeatureTable, folder: Path) -> None:
    with atomic(folder) as partial:
        table.save(partial)


def _reads(run: Run) -> list[Path]:
    return [table_path(run, "train"), table_path(run, "test")]


def _writes(run: Run) -> list[Path]:
    split = ["train", "test"] if table_path(run, "test").exists() else ["train"]
    return [*(run.features / name for name in split), run.features / "features.json"]


STAGE = Stage(
    name="features",
    sections=("data", "pair", "features"),
    reads=_reads,
    writes=_writes,
    work=features,
)
