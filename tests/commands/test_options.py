import pytest

from foldwise.commands.options import repeat_flag


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("--oof a b c --labels y", "--oof a --oof b --oof c --labels y"),
        ("--oof a --oof b", "--oof a --oof b"),
        ("--oof a b --oof c d", "--oof a --oof b --oof c --oof d"),
        ("--labels y --oof a b", "--labels y --oof a --oof b"),
        ("x --labels y", "x --labels y"),
        ("--oof a b -- c", "--oof a --oof b -- c"),
        ("--oof=a --labels y", "--oof=a --labels y"),
        ("--oof", "--oof"),
    ],
)
def test_several_values_after_one_flag_and_a_repeated_flag_read_the_same(given, read):
    assert repeat_flag(given.split(), ("--oof",)) == read.split()
