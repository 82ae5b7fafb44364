import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foldwise.kaggle.timeguard import Job, fit


def job(model, fold, seconds, second_order=0.0, counts=False, weight=0.5):
    return Job(model, f"fold-{fold}", seconds, second_order, counts, weight)


BERT = [job("bert", k, 100.0, second_order=50.0) for k in range(3)]
TREES = [job("lightgbm", k, 2.0, counts=True) for k in range(3)]


@pytest.mark.parametrize(
    ("seconds", "dropped"),
    [
        (400, ()),
        (310, ("swap averaging",)),
        (170, ("swap averaging",)),
        (130, ("swap averaging", "bert/fold-2")),
        (80, ("swap averaging", "bert/fold-2", "bert/fold-1")),
    ],
)
def test_averaging_goes_first_then_the_dearest_folds(seconds, dropped):
    plan = fit([*TREES, *BERT], 10.0, seconds)
    assert plan.dropped == dropped
    assert plan.seconds <= seconds
    assert plan.averaging == (not dropped)


def test_models_go_last_and_what_fits_without_them_is_taken_back():
    plan = fit([*TREES, *BERT], 10.0, 20)
    assert plan.dropped == ("bert",)
    assert plan.jobs == tuple(TREES)
    assert fit([*TREES, *BERT], 10.0, 14).dropped == ("lightgbm/fold-2", "bert")
    assert not fit([*TREES, *BERT], 10.0, 1).jobs


def test_counting_terms_costs_as_long_as_one_model_needs_it():
    logreg = job("logreg", 0, 1.0, counts=True, weight=0.1)
    plan = fit([logreg, job("lightgbm", 0, 1.0, counts=True)], 10.0, 11.5)
    assert [j.model for j in plan.jobs] == ["lightgbm"]
    assert plan.seconds == 11.0


@st.composite
def work(draw):
    jobs = []
    for i in range(draw(st.integers(1, 4))):
        seconds, weight = draw(st.floats(0.1, 100)), draw(st.floats(0.01, 1))
        second = draw(st.sampled_from([0.0, seconds / 2]))
        counts, folds = draw(st.booleans()), draw(st.integers(1, 5))
        jobs += [job(f"m{i}", k, seconds, second, counts, weight) for k in range(folds)]
    return jobs


@settings(max_examples=100, deadline=None)
@given(work(), st.floats(0, 50), st.floats(0, 1000))
def test_it_fits_and_nothing_dropped_would_fit_too(jobs, counting, seconds):
    plan = fit(jobs, counting, seconds)
    assert not plan.jobs or plan.seconds <= seconds
    names = {f"{j.model}/{j.fold}" for j in jobs}
    kept = {f"{j.model}/{j.fold}" for j in plan.jobs}
    gone = {n for n in names if n.split("/")[0] in plan.dropped}
    assert kept | gone | (names & set(plan.dropped)) == names
    assert not kept & (gone | set(plan.dropped))
    for j in jobs:
        if f"{j.model}/{j.fold}" in plan.dropped:
            assert plan.seconds + j.seconds - (not plan.averaging) * j.second_order > seconds
    kinds = ["averaging" if d == "swap averaging" else "/" in d for d in plan.dropped]
    assert kinds == sorted(kinds, key=["averaging", True, False].index)


def test_time_enough_drops_nothing():
    plan = fit([*TREES, *BERT], 10.0, 316.0)
    assert plan.jobs == (*TREES, *BERT)
    assert plan.averaging and not plan.dropped
