"""The kinds of models there are: a row each, and everything that depends on which one it is.

A new kind is its module (the contract is `foldwise.models.model.Model`), a row here, and, if it
has settings, its section in `sections.py` and `Competition` and their defaults in `default.toml`.
Nothing here imports a model: who needs one asks `foldwise.models.model.model_class`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

PRIOR = "prior"  # the floor that every table starts with
ENSEMBLE = "ensemble"  # the blend, which stands beside the models in every table


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


@dataclass(frozen=True)
class ModelKind:
    """A kind of model.

    Attributes
    ----------
    name : str
        What configurations, folders and tables call it; its section has the same name.
    path : str
        Its class, as "module:Class".
    look : int
        Its place among the colours and markers of figures; no other kind has the same.
    uses_features : bool
        Whether it reads the term counts and dense features.
    is_weighted : bool
        Whether class weights and oversampling reach it; the floor stays the plain frequencies.
    encoder : str
        Whether a pretrained encoder is part of it, and whether that is "frozen" or "tuned".
        The folds of a tuned one may be trained side by side, by several processes, or within a
        time budget.
    cheap : bool
        Whether it is quick enough to be fitted again on parts of the data.
    has_settings : bool
        Whether the configuration has a section of its name.
    step : str
        What the curve of its training counts.
    resources : Resources
        What one unit asks a cluster for.
    """

    name: str
    path: str
    look: int
    uses_features: bool = False
    is_weighted: bool = True
    encoder: Literal["none", "frozen", "tuned"] = "none"
    cheap: bool = True
    has_settings: bool = True
    step: str = "epoch"
    resources: Resources = Resources()

    @property
    def module(self) -> str:
        """The module that holds its class."""
        return self.path.partition(":")[0]

    @property
    def deciding(self) -> tuple[str, bool, bool, str]:
        """What of the row decides a fit."""
        return self.path, self.uses_features, self.is_weighted, self.encoder

    @property
    def is_transformer(self) -> bool:
        """Whether a pretrained encoder is part of it: a GPU helps, and weights travel along."""
        return self.encoder != "none"

    @property
    def is_tuned(self) -> bool:
        """Whether its encoder is trained further."""
        return self.encoder == "tuned"


KINDS = {
    kind.name: kind
    for kind in (
        ModelKind(
            name=PRIOR,
            path="foldwise.models.prior:Prior",
            look=5,
            is_weighted=False,
            cheap=False,  # nothing to be learnt from more data
            has_settings=False,
        ),
        ModelKind(
            name="logreg",
            path="foldwise.models.linear:LogisticRegression",
            look=0,
            uses_features=True,
        ),
        ModelKind(
            name="svm",
            path="foldwise.models.linear:LinearSvm",
            look=1,
            uses_features=True,
        ),
        ModelKind(
            name="lightgbm",
            path="foldwise.models.trees:LightGBM",
            look=2,
            uses_features=True,
            step="boosting round",
        ),
        ModelKind(
            name="embedding",
            path="foldwise.models.embedding:Embedding",
            look=3,
            encoder="frozen",
            resources=Resources(cpus=2, gpus=1, memory_mb=2000),
        ),
        ModelKind(
            name="bert",
            path="foldwise.models.seeds:SeedAverage",
            look=4,
            encoder="tuned",
            cheap=False,  # it would cost as much again
            resources=Resources(cpus=2, gpus=1, memory_mb=3000),
        ),
    )
}

LOOKS = {kind.name: kind.look for kind in KINDS.values()} | {ENSEMBLE: 6}


def modules(models: Iterable[str]) -> list[str]:
    """Return the modules behind some models: nothing that names them imports them."""
    return sorted({KINDS[model].module for model in models})


def display_rank(model: str) -> int:
    """Return where a table shows a model, by score within a rank: the floor 0, the blend 2."""
    return {PRIOR: 0, ENSEMBLE: 2}.get(model, 1)


def members(models: Iterable[str]) -> list[str]:
    """Return the models that a blend is made of: not the floor, unless there is nothing else."""
    models = list(models)
    return [model for model in models if model != PRIOR] or models
