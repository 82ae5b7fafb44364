import pytest

from foldwise import hashing
from foldwise.hashing import SILENT, code_hash, file_hash


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An empty package in the place of foldwise."""
    folder = tmp_path / "foldwise"
    folder.mkdir()
    monkeypatch.setattr(hashing, "PACKAGE", folder)
    yield folder
    code_hash.cache_clear()


def fresh(module="foldwise.a"):
    code_hash.cache_clear()
    return code_hash(module)


def test_a_missing_file_has_no_hash(tmp_path):
    assert file_hash(tmp_path / "none") is None
    (tmp_path / "file").touch()
    assert file_hash(tmp_path / "file" / "inside") is None


def test_code_hash_covers_imported_modules_only(package):
    (package / "a.py").write_text("from foldwise import b\n")
    (package / "b.py").write_text("x = 1\n")
    (package / "c.py").write_text("y = 1\n")
    before = fresh()
    (package / "c.py").write_text("y = 2\n")
    assert fresh() == before
    (package / "b.py").write_text("x = 2\n")
    assert fresh() != before


CODE = '''"""Says what it does."""

class A:
    """A thing."""

    async def g(self):
        """Do it."""

def f(x):
    """Return it."""
    return x + 1  # one more
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Says what it does", "Does what it says"),
        ("A thing", "Another thing"),
        ("Do it", "Leave it"),
        ('    """Return it."""\n', ""),
        ("  # one more", ""),
        ("return x + 1", "return (\n        x\n        + 1\n    )"),
        ("\ndef f", "\n\n\n# A function.\ndef f"),
    ],
)
def test_docstrings_comments_and_layout_do_not_count(package, old, new):
    (package / "a.py").write_text(CODE)
    before = fresh()
    assert old in CODE
    (package / "a.py").write_text(CODE.replace(old, new))
    assert fresh() == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("x + 1", "x + 2"),
        ("x + 1", "x - 1"),
        ("def f(x)", "def f(x=0)"),
        ("class A:", "class A(B):"),
        ('    """Return it."""\n', '    "Return it.".lower()\n'),
        ("return x + 1", "return (x + 1, '')"),
    ],
)
def test_whatever_can_decide_a_number_counts(package, old, new):
    (package / "a.py").write_text(CODE)
    before = fresh()
    assert old in CODE
    (package / "a.py").write_text(CODE.replace(old, new))
    assert fresh() != before


@pytest.mark.parametrize("name", sorted(SILENT))
def test_what_only_talks_or_measures_does_not_count(package, name):
    (package / "a.py").write_text(f"import {name}\n")
    path = package.joinpath(*name.split(".")[1:]).with_suffix(".py")
    path.parent.mkdir(exist_ok=True)
    path.write_text("x = 1\n")
    before = fresh()
    path.write_text("x = 2\n")
    assert fresh() == before


def test_an_import_for_type_checkers_alone_does_not_count(package):
    (package / "a.py").write_text("if TYPE_CHECKING:\n    from foldwise import b\n")
    (package / "b.py").write_text("x = 1\n")
    before = fresh()
    (package / "b.py").write_text("x = 2\n")
    assert fresh() == before


def test_an_import_inside_a_function_or_a_branch_counts(package):
    (package / "a.py").write_text(
        "def f():\n    try:\n        import foldwise.b\n"
        "    except OSError:\n        import foldwise.c\n"
    )
    for name in "bc":
        (package / f"{name}.py").write_text("x = 1\n")
    before = fresh()
    for name in "bc":
        (package / f"{name}.py").write_text("x = 2\n")
        assert fresh() != before
        (package / f"{name}.py").write_text("x = 1\n")
    assert fresh() == before


def test_the_version_of_a_package_that_is_imported_counts(package, monkeypatch):
    (package / "a.py").write_text("import sklearn.linear_model\n")
    before = fresh()
    monkeypatch.setattr(hashing, "_version", lambda name: f"{name} 99")
    assert fresh() != before
