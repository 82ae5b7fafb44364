"""Thousands of damaged files: always the right table or one clear line, never a traceback."""

import io
import json

import numpy as np
import pandas as pd
import pytest

from foldwise.config.competition import load_competition
from foldwise.data.canonical import canonical
from foldwise.data.formats import decode
from foldwise.data.raw import read_table
from foldwise.data.submission import check, read_submission
from foldwise.data.targets import order_classes
from foldwise.errors import UserError

SPOOKY = load_competition("spooky", ["data.classes=[]"])
HEADERLESS = load_competition("sms", ['data.columns=["target", "text"]', "data.target=target"])
PIECES = (
    b",", b'"', b'""', b"\n", b"\r", b"\r\n", b"\t", b"\x00", b"\xff", b"\xe9", b"\xef\xbb\xbf",
    b"\xff\xfe", b"\xed\xa0\x80", b"\\", b"{", b"}", b"[", b"]", b":", b"null", b"NaN", b"1e999",
    b"9" * 5000, b"[" * 3000, b"text", b"id", b" ", b"\xc2\xa0", b"\x1e", b"\xe2\x80\xa8",
    b'"\\ud800"', b'"id": 1, ', b"=cmd()", b"<b>", b"\x1a", b"\x85", b"#", b"'",
)  # fmt: skip
CSV = (
    b'id,text,author\n1,"He said ""no"", then left",EAP\n2,plain,HPL\n3,"two\nlines",MWS\n',
    b"id,text,author,\r\n007,x,EAP,\r\n8,,HPL,\r\n9,y,MWS,\r\n",
    "id,text,author\n1,naïve 🙂,EAP\n2,עברית,HPL\n".encode(),
)
TSV = (b'spam\tsay "hi\nham\tok\n', b"ham\ta\n\nspam\tb\tc\n")
JSONL = (
    b'{"id": 1, "text": "a \\" b", "author": "EAP"}\n{"id": 2, "text": null, "author": "HPL"}\n',
    b'{"id": "01", "text": ["a", null], "author": true}\r\n'
    b'{"id": 12345678901234567890, "author": 2}\n',
)
SUBMISSION = (b"id,a,b\n1,0.5,0.5\n2,0.25,0.75\n",)
CASES = 1500


def damaged(seeds, number):
    """Yield `number` files: each a seed with some bytes deleted, doubled, swapped or put in."""
    generator = np.random.default_rng(20240601)
    for _ in range(number):
        raw = seeds[generator.integers(len(seeds))]
        for _ in range(generator.integers(1, 6)):
            at = int(generator.integers(0, len(raw) + 1))
            end = at + int(generator.integers(1, 12))
            kind = generator.integers(5)
            if kind < 2:
                raw = raw[:at] + PIECES[generator.integers(len(PIECES))] + raw[at:]
            elif kind == 2:
                raw = raw[:at] + raw[end:]
            elif kind == 3:
                raw = raw[:end] + raw[at:]
            else:
                raw = raw[:at] + bytes([generator.integers(256)]) + raw[at + 1 :]
        yield raw


def is_one_clear_line(error, path):
    text = str(error)
    assert str(path) in text
    assert len(text.splitlines()) == 1
    assert len(text) < 1200 + len(str(path))


def delimited(text, separator, quotes):
    """Read a well-formed csv character by character, as RFC 4180 says."""
    rows, row, cell, quoted, i = [], [], "", False, 0
    while i < len(text):
        char = text[i]
        if quoted:
            if char == '"' and text[i + 1 : i + 2] == '"':
                cell, i = cell + '"', i + 1
            elif char == '"':
                quoted = False
            else:
                cell += char
        elif char == '"' and quotes and not cell and text[i - 1 : i] in ("", separator, "\n", "\r"):
            quoted = True
        elif char == separator:
            row, cell = [*row, cell], ""
        elif char in "\r\n":
            if row or cell or text[i - 1 : i] == '"':
                rows.append([*row, cell])
            row, cell = [], ""
        else:
            cell += char
        i += 1
    return [*rows, [*row, cell]] if row or cell or text[-1:] == '"' else rows


@pytest.mark.parametrize(
    ("name", "seeds", "config"),
    [("t.csv", CSV, SPOOKY), ("t.tsv", TSV, HEADERLESS), ("t.tsv", TSV, SPOOKY)],
)
def test_a_damaged_csv_is_read_right_or_refused_in_one_line(tmp_path, name, seeds, config):
    path, accepted = tmp_path / name, 0
    for raw in damaged(seeds, CASES):
        path.write_bytes(raw)
        try:
            table, _ = read_table(path, config)
        except UserError as error:
            is_one_clear_line(error, path)
            continue
        text = decode(path, "")[0].replace("\x00", "")
        names = list(config.data.columns)
        rows = delimited(text, "," if name == "t.csv" else "\t", not names)
        header = names or rows.pop(0)
        kept = [j for j, column in enumerate(header) if column in table.columns]
        assert [header[j] for j in kept] == list(table.columns)
        expected = [[row[j] if j < len(row) else "" for j in kept] for row in rows]
        assert table.to_numpy().tolist() == expected, raw
        accepted += 1
    assert accepted > CASES / 20  # the fuzz must reach the reader's good side too


def test_a_damaged_jsonl_is_read_right_or_refused_in_one_line(tmp_path):
    path, accepted = tmp_path / "t.jsonl", 0
    for raw in damaged(JSONL, CASES):
        path.write_bytes(raw)
        try:
            table, _ = read_table(path, SPOOKY)
        except UserError as error:
            is_one_clear_line(error, path)
            continue
        lines = [line for line in decode(path, "")[0].split("\n") if line.strip()]
        assert len(table) == len(lines)
        for row, line in zip(table.to_dict("records"), lines, strict=True):
            record = {k: v for k, v in json.loads(line).items() if k.strip()}
            assert repr({k: v for k, v in row.items() if v is not None}) == repr(
                {k: record[k] for k in row if record.get(k) is not None}
            )
        accepted += 1
    assert accepted > CASES / 20


@pytest.mark.parametrize(("name", "seeds"), [("train.csv", CSV), ("train.jsonl", JSONL)])
def test_a_damaged_training_file_becomes_a_clean_table_or_one_line(make_run, name, seeds):
    run = make_run("spooky", "data.classes=[]")
    path = run.input / name
    accepted = 0
    for raw in damaged(seeds, CASES // 3):
        path.write_bytes(raw)
        try:
            table, _ = canonical(path, run, labelled=True)
            order_classes(run.competition, table["label"].to_numpy())
        except UserError as error:
            assert len(str(error).splitlines()) == 1
            continue
        table.to_parquet(io.BytesIO(), index=False)
        assert not table["id"].duplicated().any()
        assert (table["group"].str.len() == 16).all()
        accepted += 1
    assert accepted > 10


def test_a_damaged_submission_is_checked_or_refused_in_one_line(tmp_path):
    sample, path = tmp_path / "sample.csv", tmp_path / "s.csv"
    sample.write_bytes(SUBMISSION[0])
    expected = read_submission(sample)
    for raw in damaged(SUBMISSION, CASES // 3):
        path.write_bytes(raw)
        try:
            table = read_submission(path)
            check(table, expected, str(path))
        except UserError as error:
            is_one_clear_line(error, path)
            continue
        # What passed holds the same rows and probabilities, whatever reads it.
        again = pd.read_csv(path, dtype=str)
        assert again["id"].tolist() == ["1", "2"]
        np.testing.assert_allclose(again[["a", "b"]].astype(float).sum(axis=1), 1, atol=1e-3)
