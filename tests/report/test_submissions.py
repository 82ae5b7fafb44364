import pandas as pd
from fabricate import fabricate

from foldwise.report import submissions
from foldwise.stages.report import report

CLASSES = ["EAP", "HPL", "MWS"]


def book(path, scores):
    rows = [
        {"date": f"2026-01-0{9 - i}", "oof_log_loss": 0.9 + i / 10, "public_score": score}
        for i, score in enumerate(scores)
    ]
    pd.DataFrame(rows).to_csv(path, index=False)


def test_submissions_without_a_score_are_not_drawn(tmp_path):
    path = tmp_path / "submissions.csv"
    assert submissions.scored(path).empty
    assert submissions.draw_submissions(path) == {}
    book(path, [0.95, None, 1.1])
    table = submissions.scored(path)
    assert table["public_score"].tolist() == [1.1, 0.95]  # oldest first
    axes = submissions.draw_public_against_oof(table).axes[0]
    assert axes.collections[0].get_offsets().tolist() == table.iloc[:, 1:].to_numpy().tolist()


def test_the_report_shows_them_once_there_are_any(make_run):
    run = make_run("spooky", 'models=["prior", "logreg"]', "report.bootstrap=100")
    fabricate(run, CLASSES)
    report(run)
    assert "plots/submissions.png" not in (run.output / "report.md").read_text()
    book(run.output / "submissions.csv", [0.95])
    report(run)
    assert (run.output / "plots" / "submissions.png").stat().st_size > 0
    assert "plots/submissions.png" in (run.output / "report.md").read_text()
    assert "Leaderboard score against log loss" in (run.output / "report.html").read_text()
