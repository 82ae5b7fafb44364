from foldwise import hashing
from foldwise.hashing import code_hash, file_hash


def test_a_missing_file_has_no_hash(tmp_path):
    assert file_hash(tmp_path / "none") is None
    (tmp_path / "file").touch()
    assert file_hash(tmp_path / "file" / "inside") is None


def test_code_hash_covers_imported_modules_only(tmp_path, monkeypatch):
    package = tmp_path / "foldwise"
    package.mkdir()
    (package / "a.py").write_text("from foldwise import b\n")
    (package / "b.py").write_text("x = 1\n")
    (package / "c.py").write_text("y = 1\n")
    monkeypatch.setattr(hashing, "PACKAGE", package)

    def fresh():
        code_hash.cache_clear()
        return code_hash("foldwise.a")

    before = fresh()
    (package / "c.py").write_text("y = 2\n")
    assert fresh() == before
    (package / "b.py").write_text("x = 2\n")
    assert fresh() != before
    code_hash.cache_clear()
