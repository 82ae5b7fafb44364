import numpy as np
import pytest
from scipy import optimize

from foldwise.models.lbfgs import minimise


def quadratic(d, dtype, seed=0):
    generator = np.random.default_rng(seed)
    root = generator.normal(size=(d, d)) / np.sqrt(d)
    hessian = (root @ root.T + np.eye(d)).astype(dtype)
    minimum = generator.normal(size=d).astype(dtype)

    def objective(x):
        gradient = hessian @ (x - minimum)
        return float((x - minimum) @ gradient / 2) + 1.0, gradient

    return objective, minimum


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_it_finds_the_minimum_in_the_precision_of_the_start(dtype):
    objective, minimum = quadratic(40, dtype)
    found = minimise(objective, np.zeros(40, dtype), max_iter=200, tolerance=1e-12)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, minimum, atol=2e-3)


def test_it_needs_no_more_evaluations_than_scipy():
    count = [0]

    def rosen(x):
        count[0] += 1
        return optimize.rosen(x), optimize.rosen_der(x)

    # Not convex, so harder than anything here; both reach the minimum.
    found = minimise(rosen, np.full(5, 0.5), max_iter=500, tolerance=1e-14)
    ours = count[0]
    theirs = optimize.minimize(rosen, np.full(5, 0.5), jac=True, method="L-BFGS-B")
    assert optimize.rosen(found) < 1e-6
    assert ours <= 2 * theirs.nfev


def test_an_overshooting_first_step_is_shortened():
    def steep(x):
        return float(500 * x @ x), 1000 * x

    np.testing.assert_allclose(minimise(steep, np.ones(3), 50, 1e-12), 0, atol=1e-6)


def test_at_the_minimum_it_stays():
    objective, minimum = quadratic(6, np.float64)
    np.testing.assert_allclose(minimise(objective, minimum, 20, 1e-9), minimum, atol=1e-9)


def test_the_number_of_iterations_is_held():
    seen = []

    def objective(x):
        seen.append(x)
        return float(x @ x), 2 * x

    minimise(objective, np.ones(2), max_iter=1, tolerance=0.0)
    assert len(seen) <= 3
