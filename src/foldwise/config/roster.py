"""The models there are, and what each needs."""

from collections.abc import Sequence
from dataclasses import dataclass

FITTED_ON_COUNTS = ("logreg", "svm", "lightgbm")


MODEL_NAMES = ("prior", "logreg", "svm", "lightgbm", "embedding", "bert")


CHEAP = ("logreg", "svm", "lightgbm", "embedding")  # a transformer would cost as much again


MODELS = {
    "prior": "foldwise.models.prior:Prior",
    "logreg": "foldwise.models.linear:LogisticRegression",
    "svm": "foldwise.models.linear:LinearSvm",
    "lightgbm": "foldwise.models.trees:LightGBM",
    "embedding": "foldwise.models.embedding:Embedding",
    "bert": "foldwise.models.seeds:SeedAverage",
}


TRANSFORMERS = ("embedding", "bert")


@dataclass(frozen=True)
class Resources:
    """What one unit of a model asks a cluster for.

    Attributes
    ----------
    cpus : int
        Cores, and threads.
    gpus : int
        GPUs, where the cluster has any.
    memory_mb : int
        Memory beside what grows with the data.
    """

    cpus: int = 1
    gpus: int = 0
    memory_mb: int = 500


RESOURCES = {
    "embedding": Resources(cpus=2, gpus=1, memory_mb=2000),
    "bert": Resources(cpus=2, gpus=1, memory_mb=3000),
}


def module_name(name: str) -> str:
    """Return the module that holds a model."""
    return MODELS[name].partition(":")[0]


def modules(models: Sequence[str]) -> list[str]:
    """Return the modules behind some models: nothing that names them imports them."""
    return sorted({module_name(model) for model in models})
