import numpy as np
import pytest
from growth import assert_linear
from hypothesis import given
from hypothesis import strategies as st

from foldwise.config.competition import load_competition
from foldwise.data.cleaning import TURN, clean_column, clean_text, clean_turns, normalise

STRIP = load_competition("spooky").clean
KEEP = load_competition("arena").clean


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("Hello,   World!", "Hello, World!"),
        ("a\tb\u00a0c", "a b c"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("a\n\n\n\nb", "a\n\nb"),
        ("<p>One &amp; two</p><br>three", "One & two\n\nthree"),
        ("2 < 3 and 4 > 1", "2 < 3 and 4 > 1"),
        ("see https://example.org/x?y=1 now", "see URL now"),
        ("ﬁne ①", "fine 1"),
        ("nu\x00ll\x07 zero\u200bwidth", "null zerowidth"),
        ("\ud83d lone", "\ufffd lone"),
        ("👩\u200d💻 joined", "👩\u200d💻 joined"),
        ("   ", ""),
    ],
)
def test_a_text_is_cleaned_but_keeps_case_and_punctuation(raw, clean):
    assert clean_text(raw, STRIP) == clean


def test_code_competitions_keep_tags_and_links():
    text = "<div>https://example.org</div>"
    assert clean_text(text, KEEP) == text


@given(st.text(max_size=200))
def test_clean_text_can_be_written_and_holds_no_turn_mark(text):
    cleaned = clean_text(text, STRIP)
    cleaned.encode("utf-8")
    assert TURN not in cleaned


@given(st.text(max_size=200))
def test_cleaning_a_clean_text_of_code_changes_nothing(text):
    once = clean_text(text, KEEP)
    assert clean_text(once, KEEP) == once


@pytest.mark.parametrize("piece", ["<", "&", "http://", "<a ", "&lt;", "[", "\n ", " \n", "<!--"])
def test_cleaning_is_linear_in_the_text(piece):
    assert_linear(lambda n: clean_text(piece * (n // len(piece)), STRIP), 400_000)


def test_turns_are_joined_and_missing_turns_are_empty():
    assert clean_turns(("a", None, " b "), KEEP) == f"a{TURN}{TURN}b"
    values = np.empty(3, dtype=object)
    values[:] = [("a", "b"), "plain", ("a", "b")]
    assert list(clean_column(values, KEEP)) == [f"a{TURN}b", "plain", f"a{TURN}b"]


def test_the_key_ignores_case_punctuation_and_width():
    assert normalise("Ｈｅｌｌｏ,  World!!") == normalise("hello world") == "hello world"
    assert normalise("Straße") == normalise("STRASSE")
    assert normalise("🙂!") == "🙂!"
    assert normalise(f"a{TURN}b") == "a b"
