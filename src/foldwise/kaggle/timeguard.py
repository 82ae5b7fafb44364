"""What still fits into the time that is left, and what is dropped first where not all does.

The order: averaging over both orders of a pair, then folds (the dearest first, the last fold of
no model), then models (the one that gives least blend weight for its time). What fits after all
once a model is gone is taken back.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Job:
    """One fold of one model, on the rows it has not predicted yet.

    Attributes
    ----------
    model : str
        The model.
    fold : str
        Name of the fold's folder.
    seconds : float
        Projected time.
    second_order : float
        How much of it goes into the other order of each pair; 0 where nothing is averaged.
    counts_terms : bool
        Whether it needs the shared term counts.
    weight : float
        Weight of its model in the blend.
    """

    model: str
    fold: str
    seconds: float
    second_order: float
    counts_terms: bool
    weight: float


@dataclass(frozen=True)
class Plan:
    """What to do.

    Attributes
    ----------
    jobs : tuple of Job
        What is kept, in the order given.
    averaging : bool
        Whether pairs are still read in both orders.
    dropped : tuple of str
        What was given up, in that order: "swap averaging", "model/fold-k", "model".
    seconds : float
        Projected time of what is kept.
    """

    jobs: tuple[Job, ...]
    averaging: bool
    dropped: tuple[str, ...]
    seconds: float


def fit(jobs: Sequence[Job], counting: float, seconds: float) -> Plan:
    """Drop work until the projection fits.

    Parameters
    ----------
    jobs : sequence of Job
        All that is left to do.
    counting : float
        Seconds that counting terms takes if any job needs it.
    seconds : float
        Time that is left.
    """
    kept, averaging, dropped = list(jobs), True, []
    dropped_jobs: dict[str, Job] = {}
    while kept and _total(kept, counting) > seconds:
        by_model: dict[str, list[Job]] = {}
        for job in kept:
            by_model.setdefault(job.model, []).append(job)
        spare = [jobs_[-1] for jobs_ in by_model.values() if len(jobs_) > 1]
        if averaging and any(job.second_order > 0 for job in kept):
            averaging = False
            kept = [
                replace(job, seconds=job.seconds - job.second_order, second_order=0.0)
                for job in kept
            ]
            dropped.append("swap averaging")
        elif spare:
            dearest = max(spare, key=lambda job: job.seconds)
            kept.remove(dearest)
            dropped.append(f"{dearest.model}/{dearest.fold}")
            dropped_jobs[dropped[-1]] = dearest
        else:
            least = min(by_model, key=lambda name: _worth(name, kept, counting))
            kept = [job for job in kept if job.model != least]
            dropped.append(least)
    models = {job.model for job in kept}
    for name, job in reversed(dropped_jobs.items()):
        if job.model not in models:
            dropped.remove(name)  # its model is named instead
        elif _total([*kept, job], counting) <= seconds:
            kept.append(job)
            dropped.remove(name)
    whole = [job for job in jobs if any(_same(job, other) for other in kept)]
    if not averaging and _total(whole, counting) <= seconds:
        kept, averaging = whole, True
        dropped.remove("swap averaging")
    kept = [next(job for job in kept if _same(job, other)) for other in whole]
    return Plan(tuple(kept), averaging, tuple(dropped), _total(kept, counting))


def _same(job: Job, other: Job) -> bool:
    return (job.model, job.fold) == (other.model, other.fold)


def _total(jobs: list[Job], counting: float) -> float:
    return sum(job.seconds for job in jobs) + counting * any(job.counts_terms for job in jobs)


def _worth(model: str, jobs: list[Job], counting: float) -> float:
    """Return blend weight for each second that leaving the model out would save."""
    others = [job for job in jobs if job.model != model]
    saved = _total(jobs, counting) - _total(others, counting)
    weight = next(job.weight for job in jobs if job.model == model)
    return weight / max(saved, 1e-9)
