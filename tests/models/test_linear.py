import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from madeup import fit, pair_rows

from foldwise.config.competition import load_competition
from foldwise.models import linear
from foldwise.models.linear import refine_C, search_C

GRID = [0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0]


@given(st.floats(-6, 6), st.floats(0.1, 10))
def test_the_walk_finds_the_best_value_of_a_grid(bottom, bend):
    losses = search_C(GRID, lambda value: bend * (np.log(value) - bottom) ** 2)
    best = min(GRID, key=lambda value: (np.log(value) - bottom) ** 2)
    assert min(losses, key=losses.get) == pytest.approx(best)


def test_the_walk_stops_soon_after_the_valley():
    assert sorted(search_C(GRID, lambda value: abs(np.log(value / 0.3)))) == [0.1, 0.3, 1.0]


@given(st.floats(-3.5, 1), st.floats(0.1, 10))
def test_the_bottom_of_a_parabola_is_found_between_the_values(bottom, bend):
    losses = search_C(GRID, lambda value: bend * (np.log(value) - bottom) ** 2)
    assert np.log(refine_C(losses)) == pytest.approx(bottom, abs=0.01)


def test_a_best_value_without_a_neighbour_is_taken_as_it_is():
    assert refine_C({0.1: 1.0, 0.3: 2.0}) == 0.1
    assert refine_C({0.1: 1.0}) == 0.1


def test_equal_losses_leave_the_value_alone():
    assert refine_C({0.1: 1.0, 0.3: 1.0, 1.0: 1.0}) in (0.1, 0.3)


@pytest.mark.parametrize("model", ["logreg", "svm"])
def test_on_few_rows_c_is_chosen_by_the_mean_over_all_inner_splits(model, tmp_path, monkeypatch):
    _, data = pair_rows()

    def path(way, first=0):
        split = linear.inner_split

        def rotated(*arguments):
            parts = split(*arguments)
            return parts[first:] + parts[:first]

        settings = [f"{model}.C=[0.01, 0.1]", f"{model}.inner_splits={way}"]
        with monkeypatch.context() as patch:
            patch.setattr(linear, "inner_split", rotated)
            return fit(model, load_competition("arena", settings), data, tmp_path).info["C_path"]

    singles = [path("one", k) for k in range(5 if model == "logreg" else 3)]
    assert path("all") == path("auto")
    for C, loss in path("all").items():
        assert loss == pytest.approx(np.mean([single[C] for single in singles]))


def test_on_many_rows_one_inner_split_is_enough():
    config = load_competition("arena").logreg
    assert [config.n_splits(rows, 5) for rows in (1000, 3000, 3001, 50_000)] == [5, 5, 1, 1]


def test_c_is_chosen_from_the_grid_and_recorded(tmp_path):
    competition, data = pair_rows()
    info = fit("logreg", competition, data, tmp_path).info
    assert info["C"] in competition.logreg.C
    assert info["C_path"][str(info["C"])] == min(info["C_path"].values())
