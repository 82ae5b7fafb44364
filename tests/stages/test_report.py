import json
import re

import numpy as np
import pandas as pd
import pytest
from fabricate import fabricate
from sklearn.metrics import accuracy_score, f1_score, log_loss, precision_score, recall_score

from foldwise.config.competition import load_competition
from foldwise.config.run import Run
from foldwise.data.cleaned import table_path
from foldwise.report.leaderboard import COLUMNS, render_leaderboard
from foldwise.stages.report import report

CLASSES = ["EAP", "HPL", "MWS"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    settings = ('models=["prior", "logreg", "lightgbm"]', "report.bootstrap=200")
    run = Run(load_competition("spooky", settings), folder, folder / "output")
    labels, _ = fabricate(run, CLASSES)
    report(run)
    return run, labels


def facts_of(run):
    return json.loads((run.output / "report.json").read_text())


def test_the_leaderboard_has_the_agreed_columns_and_order(finished):
    run, _ = finished
    table = pd.read_csv(run.output / "leaderboard.csv")
    assert tuple(table.columns) == COLUMNS
    assert table["model"].iloc[0] == "prior"
    assert table["model"].iloc[-1] == "ensemble"
    assert (table["log_loss_low"] <= table["log_loss"]).all()
    assert (table["log_loss"] <= table["log_loss_high"]).all()


def test_its_numbers_are_what_scikit_learn_finds_in_the_predictions(finished):
    run, labels = finished
    oof = pd.read_parquet(run.model("logreg") / "oof.parquet")[CLASSES].to_numpy()
    row = next(r for r in facts_of(run)["leaderboard"] if r["model"] == "logreg")
    guess = oof.argmax(axis=1)
    assert row["log_loss"] == pytest.approx(log_loss(labels, oof))
    assert row["accuracy"] == pytest.approx(accuracy_score(labels, guess))
    for key, function in (
        ("f1_macro", f1_score),
        ("precision_macro", precision_score),
        ("recall_macro", recall_score),
    ):
        assert row[key] == pytest.approx(function(labels, guess, average="macro"))


def test_every_number_in_the_markdown_is_in_the_json(finished):
    run, _ = finished
    text = (run.output / "report.md").read_text()
    # Addresses of files and texts are no numbers of the report.
    text = re.sub(r"\(plots/[^)]*\)", "", text[text.index("## Leaderboard") :])
    known = set()

    def collect(value):
        if isinstance(value, dict):
            for key, inner in value.items():
                collect(key)
                collect(inner)
        elif isinstance(value, list):
            known.add(str(len(value)))
            for inner in value:
                collect(inner)
        elif isinstance(value, str):
            known.update(re.findall(r"\d[\d,.]*\d|\d", value))
        elif isinstance(value, int | float) and not isinstance(value, bool):
            known.update(f"{v:,.{d}f}".lstrip("-") for v in (value, 100 * value) for d in range(5))

    collect(facts_of(run))
    known |= {"1,000", "0.001"}  # "per 1,000 rows", "p < 0.001"
    printed = set(re.findall(r"\d[\d,.]*\d|\d", re.sub(r"F1|&#?\w+;", "", text)))
    assert len(printed) > 150
    assert printed <= known


def test_all_nine_parts_are_there(finished):
    run, _ = finished
    page = (run.output / "report.html").read_text()
    for part in ("leaderboard", "differences", "curves", "ensemble", "levers", "folds"):
        assert f'id="{part}"' in page
    for part in ("failures", "slices", "examples", "leaks", "data", "reproduce"):
        assert f'id="{part}"' in page


def test_every_figure_comes_in_both_themes(finished):
    run, _ = finished
    page = (run.output / "report.html").read_text()
    pairs = re.findall(
        r'<source srcset="(data:[^"]+)" media="screen and \(prefers-color-scheme: dark\)">', page
    )
    lights = re.findall(r'<img src="(data:[^"]+)"', page)
    assert len(pairs) == len(lights) > 8
    assert not set(pairs) & set(lights)


def test_the_page_stands_alone(finished):
    run, _ = finished
    page = (run.output / "report.html").read_text()
    assert len(page) < 5 * 1024**2
    assert not re.search(r"""(?:src|href)="(?!data:|#)""", page)
    linked = re.findall(r"\]\((plots/[^)]+)\)", (run.output / "report.md").read_text())
    assert linked
    for name in linked:
        assert (run.output / name).exists()


def test_hostile_text_stays_text(make_run):
    run = make_run("spooky", 'models=["prior", "logreg"]', "report.bootstrap=200")
    hostile = "<script>alert(1)</script> | \u202eabc\x00 <img onerror=x>"
    fabricate(run, ["<b>x</b>", "$a$ & b", "c|d"], notes=[hostile])
    report(run)
    for name in ("report.html", "report.md"):
        text = (run.output / name).read_text()
        assert "<script>alert" not in text
        assert "<img onerror" not in text
        assert "<b>x</b>" not in text
        assert "\x00" not in text


def test_many_classes_stay_legible(make_run):
    run = make_run("banking77", 'models=["prior", "logreg"]', "report.bootstrap=200")
    fabricate(run, [f"intent_{i}" for i in range(77)], n=462)
    report(run)
    text = (run.output / "report.md").read_text()
    assert "The 15 classes with the lowest F1 of 77." in text


def test_the_verdict_does_not_claim_what_the_interval_does_not_show(make_run):
    run = make_run("spooky", 'models=["prior", "logreg"]', "report.bootstrap=200")
    fabricate(run, CLASSES)
    oof = run.model("logreg") / "oof.parquet"
    (run.ensemble / "oof.parquet").write_bytes(oof.read_bytes())
    report(run)
    said = " ".join(facts_of(run)["verdict"])
    assert "is better than it" not in said.replace("that it is better", "")


def test_a_model_no_better_than_the_prior_is_a_warning(make_run):
    run = make_run("spooky", 'models=["prior", "logreg"]', "report.bootstrap=200")
    fabricate(run, CLASSES)
    path = run.model("logreg") / "oof.parquet"
    oof = pd.read_parquet(path)
    oof[CLASSES] = np.random.default_rng(0).dirichlet(np.ones(3) * 0.2, len(oof))
    oof.to_parquet(path)
    report(run)
    assert any("logreg did not learn" in w for w in facts_of(run)["warnings"])


def test_a_model_that_is_only_too_sure_is_told_from_one_that_did_not_learn(make_run):
    run = make_run("spooky", 'models=["prior", "logreg"]', "report.bootstrap=200")
    fabricate(run, CLASSES)
    labels = pd.read_parquet(table_path(run, "train"))["label"].to_numpy()
    path = run.model("logreg") / "oof.parquet"
    oof = pd.read_parquet(path)
    right = np.random.default_rng(0).random(len(oof)) < 0.8
    sure = np.where(right, labels, np.roll(CLASSES, 1)[[CLASSES.index(x) for x in labels]])
    oof[CLASSES] = 1e-6
    for name in CLASSES:
        oof.loc[sure == name, name] = 1 - 2e-6
    oof.to_parquet(path)
    report(run)
    assert any("logreg is over-confident" in w for w in facts_of(run)["warnings"])


def test_only_a_simulated_competition_has_a_floor(finished, make_run, tmp_path):
    run, _ = finished
    assert facts_of(run)["bayes"] is None
    run = make_run("sample", 'models=["prior", "logreg"]', output=tmp_path / "sample")
    classes = list(run.competition.data.target)
    labels, _ = fabricate(run, classes)
    truth = pd.DataFrame(np.full((len(labels), 3), 0.1), columns=classes)
    for i, label in enumerate(labels):
        truth.iloc[i, label] = 0.8
    truth.insert(0, "id", [f"r{i}" for i in range(len(labels))])
    truth.to_csv(run.input / "truth.csv", index=False)
    report(run)
    assert facts_of(run)["bayes"]["log_loss"] == pytest.approx(-np.log(0.8))
    assert "Bayes floor" in render_leaderboard(run.output)
    assert "no person voted" in (run.output / "report.html").read_text()


def test_the_terminal_table_fits(finished):
    run, _ = finished
    lines = render_leaderboard(run.output).splitlines()
    assert max(map(len, lines)) <= 110
    assert len(lines) == 6
