"""How often the intervals of the report hold the truth, where groups differ in size.

PYTHONPATH=src python benchmarks/coverage.py --sets 600 --few 100

Rows of three classes and two models that are equally good; how hard a row is is shared, in part,
by its group. The truth of each score is that of two million rows without groups. Beside the
coverage stand the misses below and above the truth, all in per cent.
"""

import argparse
from itertools import product

import numpy as np
from joblib import Parallel, delayed
from scipy import stats

from foldwise.scoring.calibration import calibration_interval
from foldwise.scoring.clustered import Groups
from foldwise.scoring.intervals import f1_differences, pseudo_values, score_intervals
from foldwise.scoring.metrics import row_log_loss, scores

SIZES = ("equal", "lognormal", "third")
GROUPS = (20, 60, 300)
SHARED = (0.0, 0.3)  # share of a row's difficulty that is its group's: about the correlation
ROWS = 12  # of a group, on average
SAME = 20  # data sets on the same groups
NAMES = (
    "difference, t",
    "difference",
    "log loss",
    "accuracy",
    "F1",
    "F1 difference",
    "ECE",
    "ECE of 0",
)


def group_sizes(kind: str, groups: int, generator: np.random.Generator) -> np.ndarray:
    if kind == "lognormal":
        return np.ceil(ROWS * generator.lognormal(-0.5, 1, groups)).astype(int)
    sizes = np.full(groups, ROWS)
    if kind == "third":
        sizes[0] = ROWS * (groups - 1) // 2
    return sizes


def two_models(
    codes: np.ndarray, shared: float, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return labels, and the probabilities of two models that are equally good."""
    n = len(codes)
    labels, found = generator.integers(0, 3, n), []
    for _ in range(2):
        scale = 1.4 * np.sqrt(1 - shared) * generator.normal(size=(n, 3))
        of_group = 2 * np.sqrt(shared) * generator.normal(size=codes.max() + 1)
        scale[np.arange(n), labels] += 1.5 + of_group[codes]
        p = np.exp(scale)
        found.append(p / p.sum(axis=1, keepdims=True))
    return labels, *found


def calibrated(p: np.ndarray, codes: np.ndarray, shared: float, generator) -> np.ndarray:
    """Return labels of which the probabilities are true; rows of a group share their luck."""
    luck = np.sqrt(shared) * generator.normal(size=codes.max() + 1)[codes]
    luck = stats.norm.cdf(luck + np.sqrt(1 - shared) * generator.normal(size=len(p)))
    order = np.argsort(-p, axis=1)  # good luck: the likeliest class
    place = (luck[:, None] > np.take_along_axis(p, order, axis=1).cumsum(axis=1)[:, :-1]).sum(
        axis=1
    )
    return order[np.arange(len(p)), place]


def unadjusted(values: np.ndarray, codes: np.ndarray) -> tuple[float, float]:
    """Return the cluster-robust t interval with as many degrees of freedom as groups less one."""
    sizes, mean = np.bincount(codes), values.mean()
    residual, g = np.bincount(codes, values) - mean * sizes, len(sizes)
    reach = stats.t.ppf(0.975, g - 1) * np.sqrt(g / (g - 1) * (residual**2).sum()) / len(values)
    return mean - reach, mean + reach


def truth(shared: float) -> dict[str, float]:
    labels, p, _ = two_models(np.arange(2_000_000), shared, np.random.default_rng(0))
    found = scores(labels, p)
    found = {"log loss": found["log_loss"], "F1": found["f1_macro"], "ECE": found["ece"]} | found
    return found | dict.fromkeys(("difference, t", "difference", "F1 difference", "ECE of 0"), 0.0)


def misses(
    kind: str, groups: int, shared: float, true: dict[str, float], sets: int, few: int
) -> str:
    """Return a line of the table."""
    generator = np.random.default_rng(groups)
    below, above = ({name: [] for name in NAMES} for _ in range(2))
    held = []
    for i in range(sets):
        if i % SAME == 0:
            codes = np.repeat(np.arange(groups), group_sizes(kind, groups, generator))
            known = Groups(codes)
            held.append(known.effective)
        labels, p, other = two_models(codes, shared, generator)
        loss, right = row_log_loss(labels, p), p.argmax(axis=1) == labels
        gap = loss - row_log_loss(labels, other)
        ends = {
            "difference, t": unadjusted(gap, codes),
            "difference": known.estimate(gap).interval(),
            "log loss": known.estimate(loss).interval(),
            "accuracy": known.estimate(right).interval(),
        }
        if i < few:
            moved = {"a": pseudo_values(labels, p), "b": pseudo_values(labels, other)}
            f1 = {"a": scores(labels, p)["f1_macro"], "b": scores(labels, other)["f1_macro"]}
            (pair,) = f1_differences([("a", "b")], f1, moved, known)
            found = score_intervals(labels, p, moved["a"], known)
            ends |= {"F1": found["f1_macro"], "ECE": found["ece"]}
            ends["F1 difference"] = pair.f1_low, pair.f1_high
            lucky = calibrated(p, codes, shared, generator)
            ends["ECE of 0"] = calibration_interval(lucky, p, known)
        for name, (low, high) in ends.items():
            below[name].append(high < true[name])
            above[name].append(low > true[name])
    line = f"{kind:<10}{groups:>4}{np.mean(held):>6.0f}{shared:>5.1f}"
    for name in NAMES:
        under, over = 100 * np.mean(below[name]), 100 * np.mean(above[name])
        line += f"{100 - under - over:>8.1f} {under:>3.1f}/{over:>3.1f}"
    return line


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sets", type=int, default=2000, help="data sets for each line")
    parser.add_argument("--few", type=int, default=400, help="of them with F1 and ECE")
    arguments = parser.parse_args()
    print(f"{'sizes':<10}{'n':>4}{'eff.':>6}{'ICC':>5}" + "".join(f"{name:>16}" for name in NAMES))
    true = {shared: truth(shared) for shared in SHARED}
    work = Parallel(n_jobs=2, return_as="generator")(
        delayed(misses)(kind, groups, shared, true[shared], arguments.sets, arguments.few)
        for shared, kind, groups in product(SHARED, SIZES, GROUPS)
    )
    for line in work:
        print(line, flush=True)


if __name__ == "__main__":
    main()
