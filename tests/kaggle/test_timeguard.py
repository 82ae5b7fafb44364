import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foldwise.config.run import Unit
from foldwise.kaggle.contents import Member
from foldwise.kaggle.timeguard import COUNTING, FoldWork, Ledger, allot, fit


def job(model, fold, seconds, second_order=0.0, counts=False, weight=0.5):
    return FoldWork(Unit(model, fold), seconds, second_order, counts, weight)


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
    assert plan.kept == tuple(TREES)
    assert fit([*TREES, *BERT], 10.0, 14).dropped == ("lightgbm/fold-2", "bert")
    assert not fit([*TREES, *BERT], 10.0, 1).kept


def test_counting_terms_costs_as_long_as_one_model_needs_it():
    logreg = job("logreg", 0, 1.0, counts=True, weight=0.1)
    plan = fit([logreg, job("lightgbm", 0, 1.0, counts=True)], 10.0, 11.5)
    assert [j.unit.model for j in plan.kept] == ["lightgbm"]
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
    assert not plan.kept or plan.seconds <= seconds
    names = {str(j.unit) for j in jobs}
    kept = {str(j.unit) for j in plan.kept}
    gone = {n for n in names if n.split("/")[0] in plan.dropped}
    assert kept | gone | (names & set(plan.dropped)) == names
    assert not kept & (gone | set(plan.dropped))
    for j in jobs:
        if str(j.unit) in plan.dropped:
            assert plan.seconds + j.seconds - (not plan.averaging) * j.second_order > seconds
    kinds = ["averaging" if d == "swap averaging" else "/" in d for d in plan.dropped]
    assert kinds == sorted(kinds, key=["averaging", True, False].index)


def test_time_enough_drops_nothing():
    plan = fit([*TREES, *BERT], 10.0, 316.0)
    assert plan.kept == (*TREES, *BERT)
    assert plan.averaging and not plan.dropped


MEMBERS = {
    "lightgbm": Member(needs_terms=True, averages=False, weight=0.4, folds=[]),
    "bert": Member(needs_terms=False, averages=True, weight=0.6, folds=[]),
}


def ledger():
    found = Ledger(MEMBERS, [10, 100, 90])
    for model in MEMBERS:
        for fold in range(2):
            found.enter(Unit(model, fold))
    return found


def test_what_is_left_is_projected_from_the_rows_that_are_done():
    found = ledger()
    found.note(COUNTING, 5.0, 10)
    found.finish_chunk(Unit("lightgbm", 0), 1.0)
    found.finish_chunk(Unit("bert", 0), 20.0)
    work, counting = found.left()
    assert counting == 0.5 * 200  # one fold that uses the counts has not begun
    assert [(str(w.unit), w.seconds, w.second_order) for w in work] == [
        ("lightgbm/fold-0", 19.0, 0.0),
        ("lightgbm/fold-1", 20.0, 0.0),  # at the rate of the model's other fold
        ("bert/fold-0", 380.0, 190.0),
        ("bert/fold-1", 400.0, 200.0),
    ]
    assert found.probes() == [Unit("bert", 0)]


def test_a_fold_that_is_left_out_or_done_is_not_left_to_do():
    found = ledger()
    found.leave_out(Unit("lightgbm", 0), "broken")
    for _ in range(3):
        found.finish_chunk(Unit("bert", 1), 1.0)
    assert [w.unit for w in found.left()[0]] == [Unit("lightgbm", 1), Unit("bert", 0)]
    assert found.finished() == [Unit("bert", 1)]
    assert found.counting() == [Unit("lightgbm", 1)]


def test_the_tenth_fold_comes_after_the_second():
    found = Ledger(MEMBERS, [1])
    for fold in (10, 2):
        found.enter(Unit("bert", fold))
    assert [w.unit.fold for w in found.left()[0]] == [2, 10]


def test_while_there_is_time_one_fold_is_worked_at():
    assert [str(w.unit) for w in allot([*TREES, *BERT], 10.0, 1).kept] == ["lightgbm/fold-0"]
    assert not allot([*TREES, *BERT], 10.0, 0).kept
    assert not allot([], 10.0, 100).kept
