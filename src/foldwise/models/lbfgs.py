"""L-BFGS without bounds, in the precision of its start vector.

SciPy's L-BFGS-B keeps bounds and float64 workspaces of many vectors; with millions of weights
that costs several times what a product with the sparse data does (benchmarks/README.md). This
is algorithm 7.5 of Nocedal and Wright, "Numerical Optimization" (2006), with a backtracking line
search: on a convex objective the curvature condition holds without being enforced.
"""

from collections import deque
from collections.abc import Callable

import numpy as np

_MEMORY = 8
_SUFFICIENT = 1e-4  # share of the predicted decrease that a step must reach (Armijo)
_SMALLEST_STEP = 1e-10

Objective = Callable[[np.ndarray], tuple[float, np.ndarray]]


def minimise(
    objective: Objective, start: np.ndarray, max_iter: int, tolerance: float
) -> np.ndarray:
    """Minimise a smooth convex function.

    Parameters
    ----------
    objective : callable
        Vector -> value and gradient. Best scaled so that the Hessian's diagonal is about 1.
    start : ndarray of float32 or float64, shape (d,)
        Where to begin.
    max_iter : int
        Most iterations.
    tolerance : float
        Relative gain of an iteration below which the search ends.

    Returns
    -------
    ndarray, shape (d,)
    """
    x = start
    value, gradient = objective(x)
    past: deque[tuple[np.ndarray, np.ndarray, float]] = deque(maxlen=_MEMORY)
    for _ in range(max_iter):
        direction = _direction(gradient, past)
        found = _line_search(objective, x, value, gradient @ direction, direction)
        if found is None:
            break
        move, new_value, new_gradient = found
        change = new_gradient - gradient
        curvature = float(move @ change)
        if curvature > 0:
            past.append((move, change, curvature))
        gain = value - new_value
        x, value, gradient = x + move, new_value, new_gradient
        if gain <= tolerance * max(abs(value), 1e-300):
            break
    return x


def _direction(
    gradient: np.ndarray, past: deque[tuple[np.ndarray, np.ndarray, float]]
) -> np.ndarray:
    """Return minus the gradient times the inverse Hessian as the last moves suggest it."""
    direction = -gradient
    factors = []
    for move, change, curvature in reversed(past):
        factor = float(move @ direction) / curvature
        factors.append(factor)
        direction -= direction.dtype.type(factor) * change
    if past:
        _, change, curvature = past[-1]
        direction *= direction.dtype.type(curvature / float(change @ change))
    for (move, change, curvature), factor in zip(past, reversed(factors), strict=True):
        back = float(change @ direction) / curvature
        direction += direction.dtype.type(factor - back) * move
    return direction


def _line_search(
    objective: Objective, x: np.ndarray, value: float, slope: float, direction: np.ndarray
) -> tuple[np.ndarray, float, np.ndarray] | None:
    """Return the first move that decreases the value enough, with its value and gradient."""
    step, slope = 1.0, float(slope)
    while slope < 0 and step > _SMALLEST_STEP:
        move = direction * direction.dtype.type(step)
        new_value, new_gradient = objective(x + move)
        excess = new_value - value - step * slope
        if new_value <= value + _SUFFICIENT * step * slope:
            return move, new_value, new_gradient
        # To the minimum of the parabola through both values and the slope, within limits.
        parabola = -slope * step / (2 * excess) if np.isfinite(excess) else 0.0
        step *= min(max(parabola, 0.1), 0.5)
    return None
