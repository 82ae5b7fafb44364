import pickle
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foldwise.backbone.device import Device
from foldwise.config.competition import load_competition
from foldwise.finetune import budget
from foldwise.finetune.budget import Allowance, Cost, DoesNotFit, Plan, Watch, clock, parse, shrink
from foldwise.finetune.plan import Plan as TrainingPlan
from foldwise.finetune.plan import Record

plans = st.builds(
    Plan, st.integers(1, 4), st.integers(1, 6), st.integers(1, 5), st.sampled_from([64, 256, 512])
)
costs = st.builds(
    Cost, st.floats(1, 1e4), st.floats(0, 1e3), st.just(tuple(range(1, 600, 7)))
)  # fmt: skip


@given(plans, st.integers(0, 1))
def test_plans_shrink_in_the_stated_order(plan, least):
    steps = [plan, *plan.smaller(least)]
    for before, after in zip(steps, steps[1:], strict=False):
        if before.seeds > 1:
            assert after == Plan(before.seeds - 1, *_rest(before))
        elif before.folds > least:
            assert after.folds == before.folds - 1 and after.epochs == before.epochs
        elif before.epochs > 1:
            assert after.epochs == before.epochs - 1 and after.max_length == before.max_length
        else:
            assert after.max_length == before.max_length // 2 >= 64
    assert steps[-1].seeds == steps[-1].epochs == 1 and steps[-1].folds == least


def _rest(plan):
    return plan.folds, plan.epochs, plan.max_length


@given(plans, costs, st.floats(1, 1e5), st.integers(1, 3))
def test_the_plan_that_is_chosen_fits_and_the_one_before_does_not(plan, cost, seconds, workers):
    def needed(p):
        return -(-p.folds // workers) * cost.fold(p)

    found = shrink(plan, cost, seconds, workers, least=1)
    steps = list(plan.smaller(1))
    if found is None:
        assert all(needed(p) > seconds for p in steps)
    else:
        assert needed(found) <= seconds
        assert all(needed(p) > seconds for p in steps[: steps.index(found)])


def test_shorter_sequences_cost_less_where_texts_are_long():
    cost = Cost(100.0, 0.0, (50, 500, 500))
    assert cost.fold(Plan(1, 1, 1, 512)) == pytest.approx(100)
    assert cost.fold(Plan(1, 1, 1, 256)) == pytest.approx(100 * (50 + 256 + 256) / 1050)


def watch(seconds, rounds=2, epochs=2):
    how = load_competition("spooky", [f"bert.epochs={epochs}"]).bert
    nothing = np.zeros(3)
    training = TrainingPlan(how, Device("cpu", None), nothing, nothing, nothing, False, 0, 0)
    allowance = Allowance(time.time() + seconds, rounds, 1, 1, 0)
    return Watch(allowance, training, np.full(1000, 10), 300)


def run(watch, steps, pace, monkeypatch):
    """Show `watch` steps of 100 tokens that take `pace` seconds each."""
    start, wall = time.monotonic(), time.time()
    for step in range(1, steps + 1):
        monkeypatch.setattr(budget.time, "monotonic", lambda s=step: start + s * pace)
        monkeypatch.setattr(budget.time, "time", lambda s=step: wall + s * pace)
        watch(Record(padded_tokens=100 * step, steps=step))


# An epoch of a thousand rows of 10 tokens is 100 such steps, 300 rows predicted are 10: a fold
# of two epochs is 210.
def test_training_goes_on_where_the_folds_fit(monkeypatch, capsys):
    run(watch(430), 200, 1.0, monkeypatch)
    assert "time budget: 7 min left, the folds still need about 7 min" in capsys.readouterr().err


def test_a_training_that_will_not_end_in_time_stops_after_its_first_steps(monkeypatch, capsys):
    with pytest.raises(DoesNotFit) as caught:
        run(watch(400), 200, 1.0, monkeypatch)
    cost = pickle.loads(pickle.dumps(caught.value)).cost
    assert cost.epoch == pytest.approx(100) and cost.prediction == pytest.approx(10)
    assert "too long" in capsys.readouterr().err


def test_a_fold_that_slows_down_stops_when_its_own_time_is_gone(monkeypatch):
    fold = watch(250, rounds=1, epochs=1)
    run(fold, 20, 1.0, monkeypatch)
    with pytest.raises(DoesNotFit):
        run(fold, 80, 30.0, monkeypatch)


@pytest.mark.parametrize(
    ("text", "seconds"), [("8h", 28800), ("1h30m", 5400), ("9m", 540), ("45s", 45), ("0.5h", 1800)]
)
def test_times_are_read(text, seconds):
    assert parse(text) == seconds


@pytest.mark.parametrize("text", ["", "8", "h", "0h", "8h3", "8 hours", "-1h", "1.2.3h"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(ValueError):
        parse(text)


def test_times_are_shown():
    assert [clock(s) for s in (40, 750, 5400, -40)] == [
        "40 s",
        "12 min",
        "1 h 30 min",
        "minus 40 s",
    ]
