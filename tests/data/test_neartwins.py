import numpy as np
from leakplants import reworded

from foldwise.data.neartwins import _jaccard, _shingles, twin_families

WORDS = [f"word{i}" for i in range(500)]


def texts(n, seed=0):
    generator = np.random.default_rng(seed)
    return [" ".join(generator.choice(WORDS, generator.integers(15, 60))) for _ in range(n)]


def test_near_twins_are_found_and_strangers_are_not():
    own = texts(400)
    generator = np.random.default_rng(1)
    again = [reworded(text, generator) for text in own]
    exact, near = twin_families(own + again)
    alike = np.array(
        [_jaccard(_shingles(a), _shingles(b)) for a, b in zip(own, again, strict=True)]
    )
    close = alike >= 0.8
    assert close.sum() > 100
    assert (near[:400] == near[400:])[close].mean() >= 0.9
    assert len(np.unique(near[:400])) == 400
    assert (exact[:400] != exact[400:]).mean() > 0.9


def test_short_texts_have_exact_twins_alone():
    exact, near = twin_families(["how are you", "how are you", "how are you now"])
    assert exact.tolist() == near.tolist() == [0, 0, 1]


def test_a_family_of_thousands_is_linear():
    own = [f"{'the same long text of many words ' * 3} {i}" for i in range(5000)]
    assert len(np.unique(twin_families(own)[1])) == 1
