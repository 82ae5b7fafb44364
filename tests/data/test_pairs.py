import numpy as np
import pytest

from foldwise.config.competition import load_competition
from foldwise.data.pairs import Pair

ORDERS = [
    ("winner_model_a", "winner_model_b", "winner_tie"),
    ("winner_tie", "winner_model_b", "winner_model_a"),
    ("winner_model_b", "winner_tie", "winner_model_a"),
]


def pair_of(name, classes):
    return Pair.of(load_competition(name), classes)


@pytest.mark.parametrize("classes", ORDERS)
def test_a_swap_of_the_answers_swaps_their_classes_and_signs(classes):
    pair = pair_of("arena", classes)
    a, b, tie = (classes.index(f"winner_{name}") for name in ("model_a", "model_b", "tie"))
    assert pair.answers == ("response_a", "response_b") and pair.context == ("prompt",)
    assert pair.swapped_class[[a, b, tie]].tolist() == [b, a, tie]
    assert pair.signs[[a, b, tie]].tolist() == [1, -1, 0]
    np.testing.assert_array_equal(pair.signs[pair.swapped_class], -pair.signs)
    tied = pair.tied_classes
    assert tied[a] == tied[b] != tied[tie] and sorted(set(tied)) == [0, 1]


def test_single_texts_have_nothing_to_swap():
    pair = pair_of("spooky", ["EAP", "HPL", "MWS"])
    assert not pair.enabled and pair.answers == () and pair.context == ("text",)
    assert pair.swapped_class.tolist() == pair.tied_classes.tolist() == [0, 1, 2]
    assert not pair.signs.any()
