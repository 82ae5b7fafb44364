"""The report in a real browser."""

import chromium
import pandas as pd
import pytest
from fabricate import fabricate

from foldwise.config.competition import load_competition
from foldwise.config.record import known
from foldwise.config.run import Run
from foldwise.files import read_json, write_json
from foldwise.report.page import cell, number, span
from foldwise.scoring.intervals import Gain
from foldwise.stages.report import report

HOSTILE = [
    "<img src=x onerror=\"document.title='owned'\">",
    "<script>document.title='owned'</script>",
    "</div></main><style>body{display:none}</style>",
    "\u202eright to left \u2066and back \u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627",
    "w" * 50_000,
    "a\u0301" * 20_000,
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 emoji \U0001f9d1\U0001f3fd\u200d\U0001f680",
    "null \x00 bell \x07 escape \x1b[31m",
    "{{ 7 * 7 }} {% raise %} ![x](https://example.org/x.png) [y](javascript:alert(1))",
]


# Numbers that are broken over lines, and first cells too narrow to read.
TORN = """[...document.querySelectorAll('td')].filter(cell => {
  const range = document.createRange();
  range.selectNodeContents(cell);
  return /^[-\\d.,]+$/.test(cell.textContent.trim()) && range.getClientRects().length > 1;
}).length"""
NARROW = """Math.min(...[...document.querySelectorAll('td:first-child')].map(
  cell => cell.getBoundingClientRect().width))"""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A report whose every text is hostile, and its classes and notes too."""
    folder = tmp_path_factory.mktemp("hostile")
    settings = ('models=["prior", "logreg", "svm"]', "report.bootstrap=100")
    run = Run(load_competition("spooky", settings), folder, folder / "output")
    fabricate(run, ["<b onclick=x>x</b>", "$a$ & b", "c|d" + "e" * 80], n=180, notes=HOSTILE[:3])
    table = pd.read_parquet(run.clean / "train.parquet")
    table["text"] = [HOSTILE[i % len(HOSTILE)] for i in range(len(table))]
    table.to_parquet(run.clean / "train.parquet")
    word = {"class": HOSTILE[0], "what": HOSTILE[1], "text": "text", "in_class": 0.95, "rows": 9}
    facts = {"twins": [], "split": None, "shift": None, "test_rows": 0, "numbers": []}
    twins = {"text": "text", "exact_across_folds": 3, "near_across_folds": 0}
    twins |= {"exact_test_in_train": 0, "near_test_in_train": 0, "examples": [HOSTILE[:2]]}
    word |= {"elsewhere": 0.01, "alone": 0.5, "share": 0.9, "sure": True}
    facts |= {"giveaways": [word], "twins": [twins]}
    write_json(run.output / "leaks.json", facts)
    report(run)
    return run


def test_the_page_works_in_a_browser_with_the_network_off(hostile, tmp_path):
    path = hostile.output / "report.html"
    board = "document.querySelector('table.sortable')"
    column = f"[...{board}.tBodies[0].rows].map(r => parseFloat(r.cells[1].textContent))"
    # A phone's browser widens its window to what overflows, so the asked width is the measure.
    wide = "document.documentElement.scrollWidth"

    async def work(page):
        found = {"overflow": [], "torn": [], "narrow": []}
        for dark in (False, True):
            for width in (1200, chromium.PHONE):
                await page.open(path, width, dark)
                await page.run("document.querySelectorAll('details').forEach(d => d.open = true)")
                found["overflow"].append(await page.run(wide) - width)
                found["torn"].append(await page.run(TORN))
                found["narrow"].append(await page.run(NARROW))
            shown = await page.run("getComputedStyle(document.body).backgroundColor")
            found["dark" if dark else "light"] = shown
            images = "[...document.images].map(i => [i.currentSrc.length, i.naturalWidth])"
            found[f"images {dark}"] = await page.run(images)
        scheme = [{"name": "prefers-color-scheme", "value": "dark"}]
        await page.call("Emulation.setEmulatedMedia", media="print", features=scheme)
        found["torn"].append(await page.run(TORN))
        found["paper"] = await page.run("getComputedStyle(document.body).backgroundColor")
        found["printed"] = await page.run(
            "[...document.querySelectorAll('picture')].every("
            "p => p.querySelector('img').currentSrc === p.querySelector('img').src)"
        )
        await page.call("Emulation.setEmulatedMedia", media="screen")
        await page.run(f"{board}.querySelectorAll('th button')[1].click()")
        found["up"] = await page.run(column)
        await page.run(f"{board}.querySelectorAll('th button')[1].click()")
        found["down"] = await page.run(column)
        found["title"] = await page.run("document.title")
        found["visible"] = await page.run("document.body.getBoundingClientRect().height")
        found["strangers"] = await page.run(
            "document.querySelectorAll('main script, main style, main [onerror], main [onclick],"
            " main iframe, main a:not(nav a)').length"
        )
        found["complaints"] = page.complaints()
        return found

    found = chromium.drive(tmp_path, work)
    assert found["complaints"] == []
    assert max(found["overflow"]) <= 0
    assert max(found["torn"]) == 0
    assert min(found["narrow"][1::2]) > 80
    assert found["paper"] == "rgb(255, 255, 255)"
    assert found["printed"], "a dark figure on paper"
    assert found["light"] != found["dark"]
    assert found["images False"] != found["images True"]
    assert all(width > 0 for _, width in found["images False"] + found["images True"])
    assert found["up"] == sorted(found["up"])
    assert found["down"] == found["up"][::-1]
    assert "owned" not in found["title"]
    assert found["visible"] > 1000
    assert found["strangers"] == 0


def test_hostile_rows_are_inert_in_every_form(hostile):
    for form in ("html", "md"):
        text = (hostile.output / f"report.{form}").read_text()
        for sign in (
            "<script>document",
            "<img src=x",
            "<style>body",
            "<b onclick",
            "\x00",
            "\u202e",
        ):
            assert sign not in text
        assert "&lt;script&gt;" in text
    text = (hostile.output / "report.md").read_text()
    assert "![x](" not in text
    assert "https://example" not in text
    assert len(text) < 200_000
    assert read_json(hostile.output / "report.json")["leaks"]["giveaways"]


@pytest.mark.parametrize(
    ("raw", "safe"),
    [
        ("a|b", "a&#124;b"),
        ("<i>", "&lt;i&gt;"),
        ("x_y *z*", r"x\_y \*z\*"),
        ("![a](b)", r"\!\[a\](b)"),
        ("two\nlines", "two lines"),
        ("https://x", "https:&#8203;//x"),
    ],
)
def test_a_markdown_cell_holds_any_text(raw, safe):
    assert cell(raw) == safe


def test_what_rounds_to_zero_has_no_sign():
    assert number(-0.00001) == "0.0000"
    assert span([-0.00004, 0.5]) == "0.0000 to 0.5000"
    assert number(-0.1, 1) == "-0.1"
    assert number(None) == "–"


def test_what_is_not_a_number_is_null_in_json():
    assert [known(value) for value in (float("nan"), 1.0, float("inf"))] == [None, 1.0, None]
    gain = Gain(gain=0.1, low=-float("inf"), high=float("inf"))
    assert gain.plain() == {"gain": 0.1, "low": None, "high": None}
    assert Gain(**gain.plain()) == gain
