import numpy as np
import pytest

from foldwise.config.competition import load_competition
from foldwise.data.cleaning import TURN
from foldwise.features.prompt_kind import kind, script
from foldwise.report.evidence import Evidence
from foldwise.report.examples import choose_rows, describe_rows, excerpt
from foldwise.report.slices import Slice, slice_columns, slice_table, worst
from foldwise.scoring.bootstrap import GroupBootstrap

NO_PAIR = load_competition("spooky").pair
PAIR = load_competition("arena").pair


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Write a python function that sorts", "code"),
        ("What is 3 + 4?", "maths"),
        ("Translate this letter into French", "translation"),
        ("Act as a doctor", "role play"),
        ("A short poem on rain", "creative writing"),
        ("Why is the sky blue?", "question"),
        ("Good morning", "other"),
    ],
)
def test_a_prompt_is_of_the_kind_that_its_words_say(text, expected):
    assert kind(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain words", "Latin"),
        ("où est-il", "Latin"),
        ("привет мир", "Cyrillic or Greek"),
        ("مرحبا بالعالم", "Hebrew or Arabic"),
        ("नमस्ते", "Indic or Thai"),
        ("你好世界", "Chinese"),
        ("漢字とかな", "Japanese"),
        ("안녕하세요", "Korean"),
        ("12 + 34", "no letters"),
        ("", "no letters"),
    ],
)
def test_the_script_is_that_of_most_letters(text, expected):
    assert script(text) == expected


def column(*texts):
    return np.array(texts, dtype=object)


def test_a_pair_is_sliced_by_turns_longer_answer_and_empty_answers():
    texts = {
        "prompt": column("a", f"a{TURN}b", f"a{TURN}b{TURN}c", TURN.join("abcdef")),
        "response_a": column("", "x" * 90, "x" * 10, ""),
        "response_b": column("", "x" * 10, "x" * 12, "yes"),
    }
    found = slice_columns(texts, np.array([0, 1, 2, 0]), ["a", "b", "tie"], PAIR)
    assert found["turns"].tolist() == ["1 turn", "2 turns", "3 or 4 turns", "5 turns or more"]
    assert found["empty answers"].tolist() == ["both", "none", "none", "one"]
    assert found["longer answer"][0] == "about the same"
    assert found["longer answer"][1].startswith("A longer")
    assert found["longer answer"][3].startswith("B longer")
    assert found["label"].tolist() == ["a", "b", "tie", "a"]


def test_what_does_not_divide_the_rows_is_left_out_and_no_texts_leave_the_label():
    same = {"text": column("same", "same", "same")}
    assert set(slice_columns(same, np.array([0, 1, 0]), ["x", "y"], NO_PAIR)) == {"label"}
    assert set(slice_columns({}, np.array([0, 1, 0]), ["x", "y"], NO_PAIR)) == {"label"}


def test_every_row_is_in_one_slice_of_each_respect_and_lengths_run_upwards():
    generator = np.random.default_rng(0)
    texts = {"text": column(*("w" * n for n in generator.integers(0, 3000, 200)))}
    kinds = slice_columns(texts, generator.integers(0, 2, 200), ["x", "y"], NO_PAIR)
    losses = {"m": generator.random(200)}
    right = {"m": generator.random(200) < 0.5}
    table = slice_table(kinds, losses, right, "m", GroupBootstrap(np.arange(200), 100))
    for respect in kinds:
        mine = [entry for entry in table if entry.respect == respect]
        assert sum(entry.rows for entry in mine) == 200
        assert sum(entry.share * entry.gap for entry in mine) == pytest.approx(0, abs=1e-9)
    lengths = [e.slice for e in table if e.respect == "length of all texts"]
    assert lengths[0].startswith("up to")
    assert lengths[-1].startswith("over")


def test_the_worst_slice_is_one_beyond_doubt_and_never_a_label():
    generator = np.random.default_rng(1)
    loss = generator.normal(1, 0.3, 400)
    hard, few = np.arange(400) < 100, np.arange(400) < 5
    loss[hard] += 0.5
    loss[few] += 5
    kinds = {
        "label": np.where(hard, "x", "y").astype(object),
        "planted": np.where(hard, "hard", "easy").astype(object),
        "handful": np.where(few, "five rows", "rest").astype(object),
        "nothing": np.where(generator.random(400) < 0.5, "p", "q").astype(object),
    }
    bootstrap = GroupBootstrap(np.arange(400), 200)
    table = slice_table(kinds, {"m": loss}, {"m": loss < 1}, "m", bootstrap)
    assert (worst(table).respect, worst(table).slice) == ("planted", "hard")
    assert next(e for e in table if e.slice == "five rows").low is None
    calm = slice_table(
        {"nothing": kinds["nothing"]}, {"m": np.ones(400)}, {"m": hard}, "m", bootstrap
    )
    assert worst(calm) is None


def test_the_worst_slice_is_surely_worse_with_all_slices_looked_at():
    names = ("slice", "gap", "low", "low_of_all")
    kinds = [
        # Surely bad; worse, but perhaps by the luck of the draw; a little bad; not worse at all.
        ("hard", 0.5, 0.4, 0.3),
        ("lucky", 0.9, 0.1, -0.1),
        ("bad", 0.3, 0.25, 0.2),
        ("easy", -0.2, -0.3, -0.4),
    ]
    rest = {"rows": 100, "share": 0.25, "log_loss": {}, "accuracy": {}, "high": 1, "high_of_all": 1}
    entries = [Slice(respect="turns", **dict(zip(names, k, strict=True)), **rest) for k in kinds]
    for order in (entries, entries[::-1]):
        assert worst(order).slice == "hard"
    assert worst([entries[1], entries[3]]) is None


def test_examples_are_the_surest_hits_the_surest_misses_and_the_rows_of_most_strife():
    p = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.45, 0.55], [0.1, 0.9]])
    labels = np.array([0, 0, 0, 0, 1])
    other = p.copy()
    other[1] = [0.0, 1.0]
    found = choose_rows(labels, p, [p, other])
    assert found[0]["right"] == [0, 1]
    assert found[0]["wrong"] == [2, 3]
    assert found[0]["contested"][0] == 1
    assert found[1]["wrong"] == []
    ids, bootstrap = np.array(list("abcde")), GroupBootstrap(np.arange(5))
    evidence = Evidence(ids, labels, ids, labels, {"m": p}, {}, None, ["x", "y"], bootstrap)
    said = describe_rows(found, {}, evidence)
    assert said["x"].wrong[0].id == "c"
    assert said["x"].wrong[0].of_truth == {"m": 0.2}


def test_an_excerpt_keeps_head_and_tail_and_cuts_between_words():
    text = "start " + "word " * 5000 + "end"
    cut = excerpt(text)
    assert len(cut) < 700
    assert cut.startswith("start word")
    assert cut.endswith("word end")
    assert "characters…]" in cut
    assert excerpt("short text") == "short text"
    assert len(excerpt("w" * 50_000)) < 700
    assert "next turn" in excerpt(f"a{TURN}b")
    assert excerpt("a\x00b\u202ec\x1b") == "a\ufffdbc\ufffd"
