"""The folds of a tuned encoder: several side by side, several processes on one, or within a time.

Writes models/<model>/plan.json where a time budget made less of the training: what each fold was
       trained with, and the folds that were left out.
"""

import os
import time
from dataclasses import asdict, replace
from typing import Any

import pandas as pd
from joblib import Parallel, cpu_count, delayed

from foldwise.backbone.device import workers
from foldwise.config.competition import Competition
from foldwise.config.run import Run, Unit, config_hash
from foldwise.crossval.assembly import assemble, fit_models
from foldwise.crossval.records import PlannedFold, PlanRecord
from foldwise.crossval.stored import is_fitted, is_stored
from foldwise.crossval.unit import run_unit
from foldwise.data.cleaned import table_path
from foldwise.errors import UserError
from foldwise.files import remove
from foldwise.finetune import disk, distributed
from foldwise.finetune.allowance import Allowance
from foldwise.finetune.budget import BudgetPlan, DoesNotFit, FoldCost, clock, shrink
from foldwise.hashing import content_hash
from foldwise.terminal import warn

# Of a time budget, kept for what comes after the transformers: blend, submission, report.
_RESERVE = 0.03


def fit(run: Run, model: str) -> None:
    """Fit every fold of a tuned encoder that is not stored yet, and join them."""
    config, n = getattr(run.competition, model), run.competition.folds.n
    limited = bool(run.time_budget)
    plans = _recorded(run, model) if limited else {}
    waiting = []
    for fold in range(n):
        fitted = _fitted_as(run, Unit(model, fold), plans)
        if fitted is None:
            waiting.append(fold)
        elif not is_stored(fitted, Unit(model, fold)):
            # Only its test rows are others: this takes no time worth planning, and no followers.
            run_unit(fitted, Unit(model, fold), _threads(1))
    together = distributed.world() > 1
    jobs = 1 if together else min(workers(config.workers), max(1, len(waiting)))
    disk.check(run.output, len(waiting), jobs, config)
    if not limited:
        remove(run.model(model) / "plan.json")
    if limited and waiting:
        _fit_within(run, model, waiting, plans, jobs)
    elif together:
        for fold in waiting:
            _lead(run, model, fold)
    elif waiting:
        fit_models(run, [model], jobs)
    assemble(run, model)


def follow(run: Run) -> None:
    """Help the leader with one fold after another until it says that there are no more."""
    while (message := distributed.broadcast()) is not None:
        competition, model, fold = message
        run = replace(run, competition=Competition.restore(competition))
        run_unit(run, Unit(model, fold), _threads(1))


def _lead(run: Run, model: str, fold: int) -> None:
    distributed.broadcast((run.competition.model_dump(mode="json"), model, fold))
    run_unit(run, Unit(model, fold), _threads(1))


def _fit_within(
    run: Run, model: str, waiting: list[int], plans: dict[int, BudgetPlan], jobs: int
) -> None:
    """Fit as much of the folds as the time allows."""
    config, n = getattr(run.competition, model), run.competition.folds.n
    until = run.started + run.time_budget * (1 - _RESERVE)
    plan = BudgetPlan(config.seeds, len(waiting), config.epochs, config.max_length)
    finished = [k for k in range(n) if k not in waiting]
    left_out: list[int] = []
    while waiting:
        if time.time() >= until and finished:
            left_out, waiting = left_out + waiting, []
            break
        wave, threads = waiting[:jobs], _threads(jobs)
        reduced = _reduced(run, model, plan)
        allowance = Allowance(
            until=until,
            rounds=-(-len(waiting) // jobs),
            seeds=plan.seeds,
            all_seeds=plan.seeds,
            rows=_test_rows(run),
        )
        units = (delayed(run_unit)(reduced, Unit(model, k), threads, allowance) for k in wave)
        try:
            Parallel(n_jobs=len(wave))(units)
        except DoesNotFit as error:
            # Others of the wave may have ended before; what they stored stays.
            stored = [k for k in wave if is_stored(reduced, Unit(model, k))]
            finished, plans = finished + stored, plans | dict.fromkeys(stored, plan)
            waiting = [k for k in waiting if k not in stored]
            plan = _cut(
                run, model, replace(plan, folds=len(waiting)), error.cost, until, jobs, finished
            )
            left_out, waiting = left_out + waiting[plan.folds :], waiting[: plan.folds]
            continue
        finished += wave
        plans |= dict.fromkeys(wave, plan)
        waiting = waiting[len(wave) :]
        plan = replace(plan, folds=len(waiting))
        _record(run, model, plans, left_out + waiting)
    for fold in left_out:
        # A model of an earlier configuration may lie there; nothing must take it for this one's.
        remove(run.fold(model, fold))
    _record(run, model, plans, left_out)


def _cut(
    run: Run,
    model: str,
    plan: BudgetPlan,
    cost: FoldCost,
    until: float,
    jobs: int,
    finished: list[int],
) -> BudgetPlan:
    """Return a plan that fits, and say what goes; or refuse, as the configuration says."""
    seconds = until - time.time()
    if getattr(run.competition, model).over_budget == "stop":
        whole = -(-plan.folds // jobs) * cost.fold(plan)
        raise UserError(
            f"time budget: {clock(seconds)} left, the {plan.folds} folds to come need about "
            f"{clock(whole)}; {model}.over_budget is 'stop', finished ones are kept"
        )
    smaller = shrink(plan, cost, seconds, jobs, least=0 if finished else 1)
    if smaller is None:
        raise UserError(
            f"time budget: {clock(seconds)} left is too short for one fold of one epoch at the "
            f"shortest length; go on without it: --models and all but {model}"
        )
    _tell(plan, smaller)
    return smaller


def _tell(old: BudgetPlan, new: BudgetPlan) -> None:
    changes = [
        f"{name.replace('_', ' ')} {before} -> {after}"
        for (name, before), after in zip(asdict(old).items(), asdict(new).values(), strict=True)
        if before != after
    ]
    warn(f"time budget: less is trained: {', '.join(changes)}")


def _reduced(run: Run, model: str, plan: BudgetPlan) -> Run:
    """Return the run with the configuration of a plan."""
    values: dict[str, Any] = asdict(plan)
    del values["folds"]
    section = getattr(run.competition, model).model_copy(update=values)
    return replace(run, competition=run.competition.model_copy(update={model: section}))


def _fitted_as(run: Run, unit: Unit, plans: dict[int, BudgetPlan]) -> Run | None:
    """Return the run, whole or as planned, that a stored fold belongs to; None without one."""
    plan = plans.get(unit.fold)
    found = [run] if plan is None else [run, _reduced(run, unit.model, plan)]
    return next((one for one in found if is_fitted(one, unit)), None)


def _key(run: Run, model: str) -> str:
    return content_hash(config_hash(run, (model, "folds")))


def _recorded(run: Run, model: str) -> dict[int, BudgetPlan]:
    """Return what the folds of an earlier run with a time budget were trained with."""
    found = PlanRecord.read_if_usable(run.model(model) / "plan.json")
    if found is None or found.key != _key(run, model):
        return {}
    return {fold: BudgetPlan(**dict(plan)) for fold, plan in found.folds.items()}


def _record(run: Run, model: str, plans: dict[int, BudgetPlan], left_out: list[int]) -> None:
    config = getattr(run.competition, model)
    whole = (config.seeds, config.epochs, config.max_length)
    less = {k: p for k, p in plans.items() if (p.seeds, p.epochs, p.max_length) != whole}
    if not less and not left_out:
        remove(run.model(model) / "plan.json")
        return
    folds = {fold: PlannedFold(**asdict(plan)) for fold, plan in sorted(plans.items())}
    record = PlanRecord(key=_key(run, model), folds=folds, dropped=sorted(left_out))
    record.write(run.model(model) / "plan.json")


def _threads(jobs: int) -> int:
    # A launcher's processes share the cores of their machine too.
    return max(1, cpu_count() // (jobs * int(os.environ.get("LOCAL_WORLD_SIZE", "1"))))


def _test_rows(run: Run) -> int:
    path = table_path(run, "test")
    return len(pd.read_parquet(path, columns=["id"])) if path.exists() else 0
