"""Records keep what they are given, and refuse what another version wrote."""

import json

import pytest

from foldwise.config.record import Number, Record
from foldwise.errors import UserError


class Part(Record):
    """A part of a record."""

    value: Number


class Whole(Record):
    """A record with a part, and a key that only some of its files have."""

    name: str
    parts: list[Part]
    more: int | None = None


def test_what_is_written_is_read_again(tmp_path):
    whole = Whole(name="é", parts=[Part(value=0.1), Part(value=None)])
    whole.write(tmp_path / "whole.json")
    assert Whole.read(tmp_path / "whole.json") == whole
    part = '  {\n   "value": %s\n  }'
    text = '{\n "name": "é",\n "parts": [\n' + part % "0.1" + ",\n" + part % "null" + "\n ]\n}\n"
    assert (tmp_path / "whole.json").read_text("utf-8") == text


def test_a_key_that_nobody_gave_is_not_written_and_one_that_is_null_is():
    assert "more" not in Whole(name="a", parts=[]).plain()
    assert Whole(name="a", parts=[], more=None).plain()["more"] is None


def test_what_is_not_a_number_is_null_in_json():
    whole = Whole(name="a", parts=[Part(value=v) for v in (float("nan"), 1.0, float("inf"))])
    assert [part["value"] for part in whole.plain()["parts"]] == [None, 1.0, None]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"other": 1}, "another version of foldwise .'other' is not known"),
        ({"name": 3}, "another version of foldwise .'name'"),
        ({"parts": [{}]}, "another version of foldwise .'parts.0.value' is missing"),
    ],
)
def test_what_another_version_wrote_is_refused_in_one_line(tmp_path, change, words):
    path = tmp_path / "whole.json"
    path.write_text(json.dumps({"name": "a", "parts": []} | change))
    with pytest.raises(UserError, match=rf"whole\.json.*{words}.*run again") as raised:
        Whole.read(path)
    assert "\n" not in str(raised.value)
    assert Whole.read_if_usable(path) is None


@pytest.mark.parametrize("text", ["", '{"name": "a", "par', "\x00", "[1]", "null"])
def test_a_damaged_file_is_refused_in_one_line(tmp_path, text):
    path = tmp_path / "whole.json"
    path.write_text(text)
    with pytest.raises(UserError, match=r"whole\.json.*run again"):
        Whole.read(path)
    with pytest.raises(UserError, match=r"whole\.json.*run again"):
        Whole.read_if_there(path)


def test_a_missing_file_is_nothing_or_an_error_as_it_is_asked_for(tmp_path):
    assert Whole.read_if_there(tmp_path / "absent.json") is None
    with pytest.raises(UserError, match=r"absent\.json: no such file; fit it again"):
        Whole.read(tmp_path / "absent.json", "fit it again")
