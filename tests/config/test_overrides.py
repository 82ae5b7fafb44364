import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foldwise.config.overrides import as_toml, override
from foldwise.errors import UserError

values = (
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
names = st.from_regex(r"[a-z_]{1,8}", fullmatch=True)
tables = st.dictionaries(names, values | st.lists(values, max_size=3), max_size=4)


@given(tables, st.dictionaries(names.map("s_{}".format), tables, max_size=3))
def test_what_is_written_as_toml_reads_back_the_same(top, sections):
    assert tomllib.loads(as_toml(top | sections, "a comment")) == top | sections


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("fold.n", "did you mean 'folds.n'"),
        ("qqq", "see default.toml"),
        ("wholly_other.epochs", "did you mean 'bert.epochs'"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest(key, hint):
    known = {"seed": 0, "folds": {"n": 5}, "bert": {"max_length": 8, "epochs": 1}}
    section, _, name = key.rpartition(".")
    change = {section: {name: 1}} if section else {name: 1}
    with pytest.raises(UserError, match=f"a.toml: unknown key '{key}'; {hint}"):
        override(known, known, change, "a.toml")
