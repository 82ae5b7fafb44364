"""The projection of peak memory: that it is near the truth, and that its advice fits."""

import re
import tracemalloc

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from foldwise.config.competition import load_competition
from foldwise.features import memory, termcounts
from foldwise.features.featurise import featurise
from foldwise.features.memory import GB, Load
from foldwise.features.rows import Rows
from foldwise.models.model import Task, model_class
from foldwise.stages.stage import execute

MACHINE = "MemTotal: 900 kB\nMemAvailable: 600 kB\n"


def sentences(n, words, seed=0):
    """Return texts whose words are as unevenly frequent as those of a language."""
    generator = np.random.default_rng(seed)
    drawn = generator.zipf(1.3, (n, words)) % 20_000
    return np.array([" ".join(f"w{word}" for word in row) for row in drawn], object)


def write(root, files):
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def peak_of(work):
    work()  # imports what it needs, which is not to be counted
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.fixture
def free(monkeypatch):
    """Set the memory that is free."""
    return lambda size: monkeypatch.setattr(memory, "available", lambda: size)


def test_free_memory_is_the_machines_where_no_group_limits_it(tmp_path):
    write(tmp_path, {"proc/meminfo": MACHINE})
    assert memory.available(tmp_path) == 600 * 1024
    assert memory.available(tmp_path / "nowhere") is None


@pytest.mark.parametrize(
    ("line", "files"),
    [
        ("0::/a/b", {"a/memory.max": "90000", "a/memory.stat": "anon 20000\nfile 999999\n",
                     "a/b/memory.max": "max", "a/b/memory.stat": "anon 10000\n"}),
        ("0::/elsewhere", {"memory.max": "90000", "memory.stat": "anon 20000\n"}),
        ("4:memory:/a", {"memory/a/memory.limit_in_bytes": "90000",
                         "memory/a/memory.stat": "cache 5\ntotal_rss 20000\n"}),
    ],
    ids=["a parent", "a container's root", "version 1"],
)  # fmt: skip
def test_a_limit_of_a_control_group_counts(tmp_path, line, files):
    write(tmp_path, {"proc/meminfo": MACHINE, "proc/self/cgroup": f"7:pids:/x\n{line}\n"})
    write(tmp_path / "sys/fs/cgroup", files)
    assert memory.available(tmp_path) == 70000


def test_counting_terms_takes_no_more_than_projected(monkeypatch):
    monkeypatch.setattr(termcounts, "_CHUNK_CHARS", 20_000)  # many chunks, as of many rows
    competition = load_competition("arena")
    columns = {name: sentences(100, 120, i) for i, name in enumerate(competition.data.text)}
    measured = peak_of(lambda: featurise(columns, competition))
    projected = memory._COUNTING * memory.of_texts(columns, competition.features).grams
    assert projected / 4 < measured < projected


@pytest.mark.parametrize("model", ["logreg", "svm"])
def test_a_fit_takes_no_more_than_projected(model, tmp_path):
    competition = load_competition("arena", [f"{model}.C=[0.01, 0.1]", f"{model}.max_iter=3"])
    columns = {name: sentences(250, 120, i) for i, name in enumerate(competition.data.text)}
    table, _ = featurise(columns, competition)
    ids = np.array([str(i) for i in range(250)], object)
    data = Rows(ids, columns, ids, np.arange(250) % 3, table)
    task = Task(competition, list("abt"), np.ones(3), 0, 0, tmp_path)
    task.classes[:] = competition.data.target
    measured = peak_of(lambda: model_class(model).fit(data, task))
    counts = table.counts["word"].matrix.nnz
    projected = memory._SPLITS * memory._FITTING * counts + memory._ROW * len(data)
    assert projected / 5 < measured < projected


def test_more_texts_or_more_n_grams_need_more():
    columns = {"text": np.array(["word " * 20, "word " * 8000], object)}

    def grams(*changes):
        return memory.of_texts(columns, load_competition("spooky", changes).features).grams

    words = "features.char_ngrams=[]"
    assert grams(words, "features.max_chars=0") > grams(words) > 0
    assert (
        grams("features.char_ngrams=[3, 5]") > grams("features.char_ngrams=[3, 3]") > grams(words)
    )


def test_what_fits_is_not_spoken_of(make_run, free, capsys):
    run = make_run("arena", 'models=["prior", "logreg"]')
    columns = {name: sentences(50, 50) for name in run.competition.data.text}
    for size in (100 * GB, None):
        free(size)
        memory.check_texts(run, columns)
    assert capsys.readouterr().err == ""


def test_a_run_that_will_not_fit_says_so_at_the_start_and_what_to_lower(make_run, free, capsys):
    run = make_run("arena", "jobs=2", 'models=["prior", "logreg"]')
    columns = {name: sentences(300, 100, i) for i, name in enumerate(run.competition.data.text)}
    free(3 * memory._PROCESS)
    memory.check_texts(run, columns)
    said = capsys.readouterr().err
    assert "warning: memory: the baselines of 300 rows will need about" in said
    assert "with 2 folds side by side, 0.6 GB are free: it will not fit." in said
    assert "--set jobs=1" in said


def test_a_cluster_fits_elsewhere(make_run, free, capsys, monkeypatch):
    monkeypatch.setattr(memory, "_FITTING", 100_000)
    models = 'models=["prior", "logreg"]'
    columns = {name: sentences(100, 50) for name in load_competition("arena").data.text}
    free(int(1.5 * GB))
    for engine, expected in (("local", True), ("ray", False)):
        memory.check_texts(make_run("arena", "jobs=3", models, engine=engine), columns)
        assert ("warning: memory" in capsys.readouterr().err) is expected


def test_stored_counts_are_checked_again_before_the_fits(make_run, free, capsys):
    run = make_run("spooky", "data.classes=[]", "folds.n=2", "jobs=2", 'models=["prior","logreg"]')
    lines = [f"{i},{text},{'xy'[i % 2]}\n" for i, text in enumerate(sentences(60, 20))]
    (run.input / "train.csv").write_text("id,text,author\n" + "".join(lines))
    for stage in ("clean", "folds", "features"):
        execute(stage, run)
    capsys.readouterr()
    free(memory._PROCESS * 3 - 1)
    memory.check_counts(run)
    assert "the baselines of 60 rows will need about" in capsys.readouterr().err
    free(memory._PROCESS * 4)
    memory.check_counts(run)
    assert capsys.readouterr().err == ""


loads = st.builds(
    lambda rows, chars: Load(rows, rows * chars, rows * chars * 0.5, rows * chars * 0.3),
    st.integers(1_000, 10**6), st.integers(10, 10_000),
)  # fmt: skip


@settings(deadline=None)
@given(loads, st.integers(1, 16), st.booleans(), st.integers(GB, 64 * GB))
def test_every_piece_of_advice_fits(load, jobs, fits, free):
    assume(load.peak(jobs, fits) > free)
    shorter = {f"--set features.max_chars={k}": load.part(0.9 / k) for k in (1, 2, 4)}
    advice = memory._advice(load, shorter, jobs, fits, free)
    named = re.findall(r"(--set features\S+|--rows \d+|jobs=1 needs)[^(]*?\(?([\d.]+) GB", advice)
    assert named or advice.startswith("Free some memory")
    for name, size in named:
        assert float(size) <= free / GB + 0.06  # rounded to one digit
        if name.startswith("--rows"):
            rows = int(name.split()[1])
            assert load.part(rows / load.rows).peak(1, fits) <= free
