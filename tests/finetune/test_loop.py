"""Options of the loop; that it equals a plain one is tested with the encoder."""

import sys
from dataclasses import replace
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from models.test_bert import Linear, labelled, make_task, pair_rows, plan

from foldwise.backbone.inference import predict_logits, score
from foldwise.data.cleaning import TURN
from foldwise.errors import UserError
from foldwise.finetune import checkpoint, curve, loop, step
from foldwise.models.bert import Bert


@pytest.fixture
def task(tiny_encoder, tmp_path):
    return lambda *settings, **changes: make_task(tiny_encoder, tmp_path, *settings, **changes)


def weights(network):
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def test_averaged_weights_are_the_moving_average_of_the_steps(monkeypatch):
    seen = []

    def remember(self, record):
        seen.append(weights(self.network))

    torch.manual_seed(0)
    network = Linear()
    monkeypatch.setattr(loop.ProgressLog, "network", network, raising=False)
    monkeypatch.setattr(loop.ProgressLog, "show", remember)
    loop.train(network, labelled(50), plan(epochs=2, batch_size=16, ema=0.7), None)
    expected = seen[0]
    for state in seen[1:]:
        expected = {k: 0.7 * v + 0.3 * state[k] for k, v in expected.items()}
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(tensor, expected[name])
    assert (network.head.weight - seen[-1]["head.weight"]).abs().max() > 1e-4


@pytest.mark.parametrize("options", [{}, {"ema": 0.9}, {"early_stopping": 2}])
def test_the_network_that_is_kept_is_the_one_the_curve_was_drawn_with(options):
    torch.manual_seed(0)
    network, held = Linear(), labelled(40, seed=1)
    # A rate at which the loss rises again, so that the last epoch is not the best one.
    how = plan(epochs=5, batch_size=16, learning_rate=0.3, head_learning_rate=0.3, **options)
    record = loop.train(network, labelled(50), how, held)
    points = [p for p in record.history if p["split"] == "validation"]
    kept = points[-1]
    if "early_stopping" in options:
        kept = next(p for p in reversed(points) if p["epoch"] == record.best_epoch)
        assert kept["loss"] < 0.95 * points[-1]["loss"]
    logits = predict_logits(network, held.examples, how.device, 10_000)
    losses, _ = score(logits, held.labels, how.class_weights)
    assert kept["loss"] == pytest.approx(losses.mean(), rel=1e-5)


@pytest.mark.parametrize(
    "change",
    [
        {"class_weights": np.ones(3)},
        {"seed": 1},
        {"config": plan(epochs=3, batch_size=16).config},
    ],
)
def test_a_state_of_a_training_with_other_settings_is_ignored(tmp_path, monkeypatch, change):
    monkeypatch.setattr(checkpoint, "EVERY_SECONDS", 0.0)

    def first_step(how):
        seen = []
        torch.manual_seed(0)
        loop.train(Linear(), labelled(50), how, None, tmp_path, lambda r: seen.append(r.steps))
        return seen[:1]

    how = plan(epochs=2, batch_size=16)
    assert first_step(how) == [1]
    assert first_step(how) == []
    assert first_step(replace(how, **change)) == [1]


def test_a_killed_training_with_averaging_and_augmentation_resumes(task, monkeypatch):
    settings = ("bert.epochs=2", "bert.ema=0.8", "bert.word_deletion=0.2", "bert.token_dropout=0.1")
    test = pair_rows(10, seed=2)
    whole = Bert.fit(pair_rows(40), task(*settings), test)
    monkeypatch.setattr(checkpoint, "EVERY_SECONDS", 0.0)

    def kill(self, record):
        if record.steps == 5:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loop.ProgressLog, "show", kill)
        with pytest.raises(KeyboardInterrupt):
            Bert.fit(pair_rows(40), task(*settings), test)
    resumed = Bert.fit(pair_rows(40), task(*settings), test)
    np.testing.assert_array_equal(resumed.predict(test), whole.predict(test))
    assert resumed.info["history"] == whole.info["history"]


def test_a_state_that_other_code_wrote_is_ignored(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "EVERY_SECONDS", 0.0)

    def first_steps():
        seen = []
        network, how = Linear(), plan(epochs=1, batch_size=16)
        loop.train(network, labelled(50), how, None, tmp_path, lambda r: seen.append(r.steps))
        return seen

    torch.manual_seed(0)
    assert first_steps() == [1, 2, 3, 4]
    torch.manual_seed(0)
    assert first_steps() == []
    asked = []
    monkeypatch.setattr(loop, "code_hash", lambda name: asked.append(name) or "other")
    torch.manual_seed(0)
    assert first_steps() == [1, 2, 3, 4] and asked == ["foldwise.finetune.loop"]


@pytest.mark.parametrize("key", ["turn_dropping", "word_deletion", "word_swap", "token_dropout"])
def test_augmentation_reaches_the_training_rows_and_no_others(task, monkeypatch, key):
    shown, validated = [], []
    forward, predict_logits = step.forward, curve.predict_logits

    def spy(network, inputs, device):
        shown.extend(tuple(row[row != 0].tolist()) for row in inputs["input_ids"])
        return forward(network, inputs, device)

    def spy_too(network, examples, *args):
        validated.extend(tuple(ids.tolist()) for side in examples.sides for ids in side.ids)
        return predict_logits(network, examples, *args)

    monkeypatch.setattr(step, "forward", spy)
    monkeypatch.setattr(curve, "predict_logits", spy_too)
    rows, held = (conversations(pair_rows(n, seed=n)) for n in (32, 20))
    fitted = Bert.fit(rows, task(f"bert.{key}=0.5", "bert.epochs=2"), held)

    def plain(rows):
        sides = fitted.reading.examples(rows, fitted.packer, True).sides
        return {tuple(ids.tolist()) for side in sides for ids in side.ids}

    assert np.mean([row not in plain(rows) for row in shown]) > 0.3
    # Each epoch is drawn anew.
    half = len(shown) // 2
    assert set(shown[:half]) != set(shown[half:])
    assert set(validated) == plain(held)


def conversations(rows):
    """Put a turn before each text."""
    texts = {k: np.array([f"x y{TURN}{t}" for t in v], object) for k, v in rows.texts.items()}
    return replace(rows, texts=texts)


def test_without_augmentation_each_epoch_shows_the_rows_as_they_are(task):
    fitted = Bert.fit(pair_rows(20), task())
    known = fitted._labelled(pair_rows(20))
    assert known.drawn(0, 1) is known.examples


def test_a_compiled_network_is_used_for_training_and_only_there(monkeypatch):
    calls = []

    def compiler(network, dynamic):
        assert dynamic

        def call(**inputs):
            calls.append(network.training)
            return network(**inputs)

        return call

    monkeypatch.setattr(torch, "compile", compiler)
    results = []
    for compiled in ("true", "false"):
        torch.manual_seed(0)
        network = Linear()
        how = plan(epochs=1, batch_size=16, compile=compiled)
        loop.train(network, labelled(50), how, labelled(9, seed=1))
        results.append(weights(network))
    assert calls == [True] * 4
    for name in results[0]:
        torch.testing.assert_close(results[0][name], results[1][name])


def test_compiled_training_equals_plain_training():
    results = []
    for compiled in ("true", "false"):
        torch.manual_seed(0)
        network = Linear()
        loop.train(network, labelled(50), plan(batch_size=16, compile=compiled), None)
        results.append(weights(network))
    for name in results[0]:
        torch.testing.assert_close(results[0][name], results[1][name], atol=1e-4, rtol=1e-4)


def test_the_random_state_of_the_gpu_that_trains_is_kept_whichever_it_was(tmp_path, monkeypatch):
    """A stand-in for two GPUs: the state of the second goes to the only one there is later."""
    states = {0: torch.tensor([1]), 1: torch.tensor([2])}
    current = [1]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda: states[current[0]])
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda state: states.update({0: state}))
    written = checkpoint.Checkpoint(tmp_path, "key", {"network": Linear()})
    written.save({"step": 5})
    del states[1]
    current[0] = 0
    assert checkpoint.Checkpoint(tmp_path, "key", {"network": Linear()}).restore() == {"step": 5}
    assert states[0].tolist() == [2]


def test_a_loss_scale_that_finds_no_scale_stops_the_training():
    infinite, ids = torch.tensor(float("inf")), np.array(["row-1"])
    for scale in (65536.0, 1.0):
        scaler = SimpleNamespace(is_enabled=lambda: True, get_scale=lambda s=scale: s)
        step._check_finite(0.5, infinite, scaler, 0, 7, ids)
    scaler = SimpleNamespace(is_enabled=lambda: True, get_scale=lambda: 0.5)
    with pytest.raises(FloatingPointError, match="step 7: gradient is not finite, rows row-1"):
        step._check_finite(0.5, infinite, scaler, 0, 7, ids)


def test_tensorboard_gets_the_points_of_the_curves(task, monkeypatch):
    written = []

    class SummaryWriter:
        def __init__(self, folder):
            self.folder = folder

        def __enter__(self):
            return self

        def __exit__(self, *_):
            written.append("closed")

        def add_scalar(self, name, value, step):
            written.append((self.folder, name, value, step))

    module = ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = SummaryWriter
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    how = task("bert.tensorboard=true")
    info = Bert.fit(pair_rows(40), how, pair_rows(10, seed=1)).info
    folder = str(how.scratch.parent / "tensorboard" / "scratch")
    expected = [
        (folder, f"{name}/{p['split']}", p[name], p["step"])
        for p in info["history"]
        for name in ("loss", "accuracy")
    ]
    assert written == [*expected, "closed"] and len(expected) == 8


def test_tensorboard_that_is_not_installed_is_asked_for(task, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UserError, match="pip install tensorboard"):
        Bert.fit(pair_rows(20), task("bert.tensorboard=true"))
