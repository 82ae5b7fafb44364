"""The list of planted faults fits the code, and a sample of it is killed."""

import subprocess
import sys

import numpy as np
import pytest
from mutants import ROOT, mutants

SAMPLE = 10


def test_every_planted_fault_still_has_its_place():
    found = mutants()
    assert len(found) >= 60
    assert len({mutant.name for mutant in found}) == len(found)
    for mutant in found:
        path = ROOT / "src" / "foldwise" / mutant.file
        planted = mutant.planted(path.read_text(encoding="utf-8"))
        compile(planted, mutant.file, "exec")
        for test in mutant.tests:
            assert (ROOT / test.partition("::")[0]).exists(), test


@pytest.mark.slow
def test_a_sample_of_planted_faults_is_noticed():
    found = mutants()
    # Ten others whenever the list grows; the whole list is for `./run.sh mutants`.
    chosen = np.random.default_rng(len(found)).choice(len(found), SAMPLE, replace=False)
    command = [sys.executable, str(ROOT / "tests" / "mutants.py"), *(found[i].name for i in chosen)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("| killed |") >= SAMPLE
