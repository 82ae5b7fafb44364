"""Blends of several models' probabilities, from simple to flexible.

- `mean`: the plain mean of all models, nothing fitted;
- `linear`: a weighted mean, its weights on the simplex;
- `hill_climbing`: the same, its weights counted in steps of greedy selection with replacement
  (Caruana et al., "Ensemble selection from libraries of models", 2004);
- `log_linear`: a weighted geometric mean with temperature and a bias for each class
  (Genest and Zidek, "Combining probability distributions", 1986);
- `stacking`: a logistic regression on the log-probabilities, a weight for each model and class.

Every score that is reported is nested: the weights that blend fold k are fitted on the rows of
the other folds alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, special
from threadpoolctl import threadpool_limits

from foldwise.config.competition import Competition
from foldwise.data.pairs import Pair
from foldwise.ensemble.blend_record import BlendRecord
from foldwise.models.scaling import fit_scaling

TITLES = {
    "mean": "equal-weight mean",
    "linear": "linear pool",
    "hill_climbing": "hill climbing",
    "log_linear": "log-linear pool",
    "stacking": "stacking",
}
LINEAR = ("mean", "linear", "hill_climbing")
_FLOOR = 1e-12
_NEGLIGIBLE = 1e-4  # a model whose absence costs less log loss than this gets weight zero
# Equal weights are hard to beat with few rows. They are the prior, as strong as this many rows;
# benchmarks/README.md has what it buys.
_PRIOR_ROWS = 100
_CLIMBING_STEPS = 100


@dataclass(frozen=True)
class Pool:
    """A fitted blend.

    Attributes
    ----------
    method : str
        A key of `TITLES`.
    weights : ndarray of float64, shape (M,) or, for stacking, (M, C)
        Weight of each model. Those of linear pools sum to 1; a log-linear pool's sum is the
        inverse of its temperature, none of its weights is negative.
    bias : ndarray of float64, shape (C,)
        Added to the log-probabilities; zero for a linear pool.
    """

    method: str
    weights: np.ndarray
    bias: np.ndarray

    def predict(self, probabilities: np.ndarray) -> np.ndarray:
        """Blend probabilities of shape (M, n, C) into shape (n, C)."""
        if self.method in LINEAR:
            blend = np.tensordot(self.weights, probabilities, axes=1)
            return blend / blend.sum(axis=1, keepdims=True)
        weights = self.weights.reshape(len(self.weights), 1, -1)
        return special.softmax((weights * _log(probabilities)).sum(axis=0) + self.bias, axis=1)

    @classmethod
    def restore(cls, record: BlendRecord) -> tuple[list[str], "Pool"]:
        """Return the members with a weight, and their pool, from `ensemble/weights.json`."""
        weights = record.class_weights or record.weights
        names = [name for name, weight in weights.items() if np.any(weight)]
        bias = np.array([record.bias[name] for name in record.classes])
        return names, cls(record.method, np.array([weights[name] for name in names]), bias)

    def importance(self) -> np.ndarray:
        """Return one weight for each model, shape (M,): for stacking the mean over classes."""
        return self.weights.reshape(len(self.weights), -1).mean(axis=1)


def tied_classes(classes: Sequence[str], competition: Competition) -> np.ndarray:
    """Return for each class which of a pool's class parameters is its own, shape (C,).

    Answers A and B of a pair share theirs, so that swapping them swaps the blend.
    """
    return Pair.of(competition, classes).tied_classes


@dataclass(frozen=True)
class Blend:
    """A way to blend models, before anything is fitted.

    Attributes
    ----------
    method : str
        A key of `TITLES`.
    bias : bool
        Whether log-linear pools and stacking get a bias for each class.
    tied : ndarray of int, shape (C,), or None
        Classes with the same number share bias and weight (`tied_classes`); None shares nothing.
    """

    method: str
    bias: bool = True
    tied: np.ndarray | None = None

    @classmethod
    def configured(cls, method: str, classes: Sequence[str], competition: Competition) -> "Blend":
        """Return a method with the biases and the shared parameters of a competition."""
        return cls(method, competition.ensemble.bias, tied_classes(classes, competition))

    @threadpool_limits.wrap(limits=1)  # the matrices are small: a second thread would only wait
    def fit(self, labels: np.ndarray, probabilities: np.ndarray) -> Pool:
        """Fit the weights of a pool, and drop the models that add nothing.

        Starting with all models, the one that is missed least is left out for as long as that
        costs next to nothing: what it would have added is not worth running it at inference.

        Parameters
        ----------
        labels : ndarray of int64, shape (n,)
            Class indexes.
        probabilities : ndarray of float64, shape (M, n, C)
            Out-of-fold probabilities of each model.
        """
        members = np.arange(len(probabilities))
        pool, loss = self._fit_all(labels, probabilities)
        # Greedy selection leaves out what does not help by itself, and the mean is of all models.
        while len(members) > 1 and self.method not in ("mean", "hill_climbing"):
            smaller = [np.delete(members, i) for i in range(len(members))]
            refits = [self._fit_all(labels, probabilities[kept]) for kept in smaller]
            least = int(np.argmin([refit_loss for _, refit_loss in refits]))
            if refits[least][1] > loss + _NEGLIGIBLE:
                break
            members = smaller[least]
            pool, loss = refits[least]
        weights = np.zeros((len(probabilities), *pool.weights.shape[1:]))
        weights[members] = pool.weights
        return Pool(self.method, weights, pool.bias)

    @threadpool_limits.wrap(limits=1)
    def fit_all(self, labels: np.ndarray, probabilities: np.ndarray) -> Pool:
        """Fit the weights of a pool of all models; parameters as in `fit`."""
        return self._fit_all(labels, probabilities)[0]

    def nested(
        self, labels: np.ndarray, probabilities: np.ndarray, folds: np.ndarray
    ) -> np.ndarray:
        """Return out-of-fold predictions of a pool whose weights never saw the fold they blend.

        Parameters
        ----------
        labels, probabilities
            As in `fit`.
        folds : ndarray of int, shape (n,)
            Fold of each row.

        Returns
        -------
        ndarray of float64, shape (n, C)
        """
        blend = np.zeros(probabilities.shape[1:])
        for fold in np.unique(folds):
            inside = folds == fold
            pool = self.fit(labels[~inside], probabilities[:, ~inside])
            blend[inside] = pool.predict(probabilities[:, inside])
        return blend

    def _fit_all(self, labels: np.ndarray, probabilities: np.ndarray) -> tuple[Pool, float]:
        """Return the pool of all these models, and its log loss on the rows it was fitted on."""
        rows = np.arange(len(labels))
        if self.method == "log_linear":
            pool = _log_linear(labels, probabilities, self)
        elif self.method == "stacking":
            pool = _stacking(labels, probabilities, self)
        else:
            # The loss of a linear pool depends on the probabilities of the true classes alone.
            of_truth = np.maximum(probabilities[:, rows, labels], _FLOOR)
            weights = _LINEAR_FITS[self.method](of_truth)
            pool = Pool(self.method, weights, np.zeros(probabilities.shape[2]))
        return pool, -_log(pool.predict(probabilities)[rows, labels]).mean()


def _log_linear(labels: np.ndarray, probabilities: np.ndarray, blend: Blend) -> Pool:
    scaling = fit_scaling(
        labels,
        _log(probabilities),
        np.full(probabilities.shape[2], blend.bias),
        bias_penalty=_PRIOR_ROWS,
        weight_penalty=_PRIOR_ROWS,
        tied=blend.tied,
    )
    return Pool("log_linear", scaling.weights, scaling.bias)


def _stacking(labels: np.ndarray, probabilities: np.ndarray, blend: Blend) -> Pool:
    """Fit a weight for each model and class by penalised maximum likelihood."""
    n_models, n, n_classes = probabilities.shape
    bias, tied = blend.bias, np.arange(n_classes) if blend.tied is None else blend.tied
    logs, rows, n_own = _log(probabilities), np.arange(n), int(tied.max()) + 1
    share = np.eye(n_own)[tied]  # which parameter each class uses
    strength = _PRIOR_ROWS / n_own  # all classes of a model together weigh as one weight

    def objective(vector: np.ndarray) -> tuple[float, np.ndarray]:
        weights, biases = vector[:-n_own].reshape(n_models, n_own), vector[-n_own:] * bias
        scores = np.einsum("mnc,mc->nc", logs, weights[:, tied]) + biases[tied]
        log_p = special.log_softmax(scores, axis=1)
        residual = np.exp(log_p)
        residual[rows, labels] -= 1
        astray = weights - 1 / n_models
        of_weights = np.einsum("mnc,nc->mc", logs, residual) @ share + strength * astray
        of_bias = (residual.sum(axis=0) @ share + _PRIOR_ROWS * biases) * bias
        loss = -log_p[rows, labels].sum()
        loss += (strength * np.square(astray).sum() + _PRIOR_ROWS * biases @ biases) / 2
        return loss / n, np.concatenate([of_weights.ravel(), of_bias]) / n

    start = np.concatenate([np.full(n_models * n_own, 1 / n_models), np.zeros(n_own)])
    found = optimize.minimize(objective, start, jac=True, method="L-BFGS-B").x
    weights = found[:-n_own].reshape(n_models, n_own)[:, tied]
    return Pool("stacking", weights, (found[-n_own:] * bias)[tied])


def _mean(of_truth: np.ndarray) -> np.ndarray:
    return np.full(len(of_truth), 1 / len(of_truth))


def _climb(of_truth: np.ndarray) -> np.ndarray:
    """Add the model that lowers the loss most, again and again, and count how often each came."""
    counts, total = np.zeros(len(of_truth)), np.zeros(of_truth.shape[1])
    best, best_loss = counts, np.inf
    for step in range(1, _CLIMBING_STEPS + 1):
        losses = [-np.log((total + member) / step).mean() for member in of_truth]
        chosen = int(np.argmin(losses))
        counts = counts + np.eye(len(of_truth))[chosen]
        total = total + of_truth[chosen]
        if losses[chosen] < best_loss:
            best, best_loss = counts / step, losses[chosen]
    return best


def _simplex(of_truth: np.ndarray) -> np.ndarray:
    """Return the weights on the simplex with the least loss, held towards equal ones."""
    n_models, n = of_truth.shape

    def objective(weights: np.ndarray) -> tuple[float, np.ndarray]:
        blend = np.maximum(weights @ of_truth, _FLOOR)
        astray = weights - 1 / n_models
        penalty = _PRIOR_ROWS / n * (astray @ astray) / 2
        gradient = _PRIOR_ROWS / n * astray - (of_truth / blend).mean(axis=1)
        return penalty - np.log(blend).mean(), gradient

    found = optimize.minimize(
        objective,
        np.full(n_models, 1 / n_models),
        jac=True,
        method="SLSQP",
        bounds=[(0, 1)] * n_models,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": np.ones_like},
        options={"maxiter": 500, "ftol": 1e-10},
    )
    weights = np.clip(found.x, 0, 1)
    return weights / weights.sum()


def _log(probabilities: np.ndarray) -> np.ndarray:
    return np.log(np.clip(probabilities, _FLOOR, 1))


_LINEAR_FITS = {"mean": _mean, "linear": _simplex, "hill_climbing": _climb}
