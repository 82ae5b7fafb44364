"""The simulated judge: prefers quality, likes length a little, and knows ties."""

import numpy as np

from foldwise.simulation.responses import Response

_SHARPNESS = 0.9  # log odds of a preference for a quality difference of one
_LENGTH_BIAS = 0.4  # log odds for a response e times as long
_TIE = 0.8  # log of the Rao-Kupper threshold
_TIE_BOTH_BAD = 1.5  # more of it where neither response is any good
_BAD = -1.0


def probabilities(first: Response, second: Response) -> np.ndarray:
    """Return the probabilities that A wins, that B wins, and of a tie.

    The model of Rao and Kupper, "Ties in paired-comparison experiments" (1967): with merits
    u and v and a threshold t >= 1, A wins with u / (u + t v), B with v / (v + t u). The merit
    is exp(sharpness * quality) times a power of the length; the threshold grows when both
    responses are bad ("both bad" is a tie too).

    Returns
    -------
    ndarray of float64, shape (3,)
        Sums to 1; swapping the responses swaps the first two.
    """
    length = np.log((first.length + 20) / (second.length + 20))
    d = _SHARPNESS * (first.quality - second.quality) + _LENGTH_BIAS * length
    both_bad = max(0.0, min(1.0, _BAD - max(first.quality, second.quality)))
    threshold = np.exp(_TIE + _TIE_BOTH_BAD * both_bad)
    a = 1 / (1 + threshold * np.exp(-d))
    b = 1 / (1 + threshold * np.exp(d))
    return np.array([a, b, 1 - a - b])
