import pickle
import time

import numpy as np
import pytest

from foldwise.backbone.device import Device
from foldwise.config.competition import load_competition
from foldwise.finetune import monitor
from foldwise.finetune.allowance import Allowance
from foldwise.finetune.budget import DoesNotFit
from foldwise.finetune.monitor import BudgetMonitor
from foldwise.finetune.plan import TrainingPlan, TrainingRecord


def watching(seconds, rounds=2, epochs=2):
    how = load_competition("spooky", [f"bert.epochs={epochs}"]).bert
    nothing = np.zeros(3)
    training = TrainingPlan(
        how, Device("cpu", None), nothing, nothing, nothing, False, 0, 0, nothing
    )
    allowance = Allowance(time.time() + seconds, rounds, 1, 1, 0)
    return BudgetMonitor(allowance, training, np.full(1000, 10), 300)


def run(watch, steps, pace, monkeypatch):
    """Show `watch` steps of 100 tokens that take `pace` seconds each."""
    start, wall = time.monotonic(), time.time()
    for step in range(1, steps + 1):
        monkeypatch.setattr(monitor.time, "monotonic", lambda s=step: start + s * pace)
        monkeypatch.setattr(monitor.time, "time", lambda s=step: wall + s * pace)
        watch(TrainingRecord(padded_tokens=100 * step, steps=step))


# An epoch of a thousand rows of 10 tokens is 100 such steps, 300 rows predicted are 10: a fold
# of two epochs is 210.
def test_training_goes_on_where_the_folds_fit(monkeypatch, capsys):
    run(watching(430), 200, 1.0, monkeypatch)
    assert "time budget: 7 min left, the folds still need about 7 min" in capsys.readouterr().err


def test_a_training_that_will_not_end_in_time_stops_after_its_first_steps(monkeypatch, capsys):
    with pytest.raises(DoesNotFit) as caught:
        run(watching(400), 200, 1.0, monkeypatch)
    cost = pickle.loads(pickle.dumps(caught.value)).cost
    assert cost.epoch == pytest.approx(100) and cost.prediction == pytest.approx(10)
    assert "too long" in capsys.readouterr().err


def test_a_fold_that_slows_down_stops_when_its_own_time_is_gone(monkeypatch):
    fold = watching(250, rounds=1, epochs=1)
    run(fold, 20, 1.0, monkeypatch)
    with pytest.raises(DoesNotFit):
        run(fold, 80, 30.0, monkeypatch)
