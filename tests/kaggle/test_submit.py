import json

import pandas as pd
import pytest
from fabricate import fabricate

from foldwise.ensemble.blend_record import BlendRecord
from foldwise.errors import UserError
from foldwise.kaggle import push as pushing
from foldwise.kaggle import submit as submitting
from foldwise.kaggle.bundle import USER
from foldwise.stages.manifest import write_manifest

CLASSES = ["winner_model_a", "winner_model_b", "winner_tie"]
KERNEL = "tester/foldwise-arena-submit"


@pytest.fixture
def output(make_run, monkeypatch):
    """Make a finished folder with a small bundle."""
    monkeypatch.setattr(pushing, "_POLL_SECONDS", 0.01)
    run = make_run("arena", 'models=["prior", "logreg"]')
    fabricate(run, CLASSES)
    path = run.ensemble / "weights.json"
    blend = BlendRecord.read(path)
    blend.replace(overall=blend.overall.replace(log_loss=0.9876)).write(path)
    write_manifest(run, ["run"])
    for part in ("code", "weights"):
        folder = run.output / "kaggle" / part
        (folder / "inner").mkdir(parents=True)
        (folder / "inner" / "file.txt").write_text(part)
        metadata = {"title": f"foldwise {part}", "id": f"{USER}/foldwise-arena-{part}"}
        metadata["licenses"] = [{"name": "other"}]
        (folder / "dataset-metadata.json").write_text(json.dumps(metadata))
    folder = run.output / "kaggle" / "submit"
    folder.mkdir()
    (folder / "n.ipynb").write_text(json.dumps({"cells": []}))
    kernel = {"id": f"{USER}/foldwise-arena-submit", "title": "foldwise arena submit"}
    kernel |= {"code_file": "n.ipynb", "language": "python", "kernel_type": "notebook"}
    kernel |= {"enable_internet": False, "dataset_sources": [f"{USER}/foldwise-arena-code"]}
    (folder / "kernel-metadata.json").write_text(json.dumps(kernel))
    return run.output


def pushed(output):
    record = {"kernel": KERNEL, "version": 3, "notebook": "submit"}
    (output / "kaggle" / "pushed.json").write_text(json.dumps(record))


def submit(output, file=None, seconds=60):
    submitting.submit(output, file, "try", seconds, every=0.01)


def test_push_makes_the_data_sets_then_new_versions_and_runs_the_notebook(server, output):
    pushing.push(output)
    assert set(server.datasets) == {f"tester/foldwise-arena-{part}" for part in ("code", "weights")}
    assert [name for name, _ in server.uploads] == ["inner.zip", "inner.zip"]
    sent = server.called("SaveKernel")[0]
    assert sent["slug"] == KERNEL
    assert sent["machineShape"] == "NvidiaTeslaT4"
    assert not sent.get("enableInternet")
    assert sent["datasetDataSources"] == ["tester/foldwise-arena-code"]
    record = json.loads((output / "kaggle" / "pushed.json").read_text())
    assert record == {"kernel": KERNEL, "version": 3, "notebook": "submit"}
    pushing.push(output)
    assert len(server.called("CreateDataset")) == len(server.called("CreateDatasetVersion")) == 2


def test_a_used_up_quota_stops_the_push_in_words(server, output):
    server.failures.append(("SaveKernel", 400, "Maximum weekly GPU quota of 30.00 hours reached."))
    with pytest.raises(UserError, match="quota is used up.*30.00 hours"):
        pushing.push(output)
    assert not (output / "kaggle" / "pushed.json").exists()


def test_push_without_a_bundle_says_how_to_make_one(tmp_path):
    with pytest.raises(UserError, match="foldwise kaggle bundle"):
        pushing.push(tmp_path)


def test_submit_waits_for_notebook_and_score_and_keeps_the_book(server, output):
    pushed(output)
    submit(output)
    server.kernel_states = ["COMPLETE"]
    submit(output)
    sent = server.called("CreateCodeSubmission")[0]
    assert (sent["kernelOwner"], sent["kernelSlug"]) == tuple(KERNEL.split("/"))
    assert (sent["kernelVersion"], sent["fileName"]) == (3, "submission.csv")
    book = pd.read_csv(output / "submissions.csv")
    assert list(book.columns) == list(submitting.COLUMNS)
    assert book["public_score"].tolist() == [1.0123, 1.0123]
    assert book["oof_log_loss"].tolist() == [0.9876, 0.9876]
    assert book["manifest"].nunique() == 1


def test_submit_sends_a_file_where_one_is_given(server, output):
    file = output / "mine.csv"
    file.write_text("id,a\n1,2\n")
    submit(output, file)
    assert server.uploads == [("mine.csv", b"id,a\n1,2\n")]
    assert len(server.called("CreateSubmission")) == 1


def test_a_server_error_never_submits_twice(server, output):
    pushed(output)
    server.failures.append(("CreateCodeSubmission", 502, "502 Server Error: Bad Gateway"))
    submit(output)
    assert len(server.submissions) == 1
    # The answer to this one is lost though it arrived.
    answer, lost = server.answer, [True]

    def lose_the_answer(method, body):
        found = answer(method, body)
        if method == "CreateCodeSubmission" and lost:
            lost.clear()
            return None
        return found

    server.answer, server.kernel_states = lose_the_answer, ["COMPLETE"]
    server.lost_status = 504
    submit(output)
    assert len(server.submissions) == 2


def test_a_used_up_daily_limit_is_explained_and_not_booked(server, output):
    pushed(output)
    message = "You have reached the maximum number of daily submissions"
    server.failures.append(("CreateCodeSubmission", 400, message))
    with pytest.raises(UserError, match="come back daily"):
        submit(output)
    assert not (output / "submissions.csv").exists()


def test_a_notebook_that_failed_is_not_submitted(server, output):
    pushed(output)
    server.kernel_states = ["ERROR"]
    with pytest.raises(UserError, match="failed on Kaggle"):
        submit(output)
    assert not server.submissions


def test_without_a_score_in_time_nothing_is_booked(server, output):
    pushed(output)
    server.polls_until_scored, server.kernel_states = 10**6, ["COMPLETE"]
    with pytest.raises(UserError, match="no score yet"):
        submit(output, seconds=0.1)
    assert not (output / "submissions.csv").exists()


def test_submit_wants_a_pushed_notebook_or_a_file(output):
    with pytest.raises(UserError, match="no pushed notebook"):
        submit(output)
