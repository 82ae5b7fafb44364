import pytest
from hypothesis import given
from hypothesis import strategies as st

from foldwise.finetune.budget import BudgetPlan, FoldCost, clock, parse, shrink

plans = st.builds(
    BudgetPlan,
    st.integers(1, 4),
    st.integers(1, 6),
    st.integers(1, 5),
    st.sampled_from([64, 256, 512]),
)
costs = st.builds(
    FoldCost, st.floats(1, 1e4), st.floats(0, 1e3), st.just(tuple(range(1, 600, 7)))
)  # fmt: skip


@given(plans, st.integers(0, 1))
def test_plans_shrink_in_the_stated_order(plan, least):
    steps = [plan, *plan.smaller(least)]
    for before, after in zip(steps, steps[1:], strict=False):
        if before.seeds > 1:
            assert after == BudgetPlan(before.seeds - 1, *_rest(before))
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
    cost = FoldCost(100.0, 0.0, (50, 500, 500))
    assert cost.fold(BudgetPlan(1, 1, 1, 512)) == pytest.approx(100)
    assert cost.fold(BudgetPlan(1, 1, 1, 256)) == pytest.approx(100 * (50 + 256 + 256) / 1050)


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
