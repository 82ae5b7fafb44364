import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification

from foldwise.backbone.batching import Examples
from foldwise.backbone.device import Device
from foldwise.backbone.inference import predict_logits, score
from foldwise.backbone.packing import Sequences
from foldwise.config.competition import load_competition
from foldwise.errors import UserError
from foldwise.features.rows import Rows
from foldwise.finetune import checkpoint, loop, parts, step
from foldwise.finetune.plan import Labelled, TrainingPlan
from foldwise.models.bert import Bert
from foldwise.models.model import Task

WORDS = "the cat sat on a mat and looked at two red birds that sang in tall green trees".split()


def text(generator, longest=25):
    return " ".join(generator.choice(WORDS, generator.integers(1, longest)))


def pair_rows(n, seed=0):
    """Return pairs in which the answer that says "good" wins; where none does it is a tie."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 3, n)
    answers = {}
    for k, side in enumerate(("response_a", "response_b")):
        good = np.where(labels == k, " good good good good", "")
        answers[side] = np.array([text(generator) + end for end in good], object)
    prompts = np.array([text(generator) for _ in range(n)], object)
    ids = np.array([f"row-{i}" for i in range(n)], object)
    return Rows(ids, {"prompt": prompts, **answers}, prompts, labels)


def swapped(rows):
    a, b = rows.texts["response_a"], rows.texts["response_b"]
    return replace(rows, texts={**rows.texts, "response_a": b, "response_b": a}, labels=None)


def single_rows(n, seed=0):
    rows = pair_rows(n, seed)
    return Rows(rows.ids, {"text": rows.texts["response_a"]}, rows.groups, rows.labels)


def make_task(model, folder, *settings, name="arena", **changes):
    base = [f"bert.model={model}", "bert.max_length=48", "bert.precision=fp32", "bert.epochs=1"]
    competition = load_competition(name, [*base, "bert.learning_rate=1e-3", *settings])
    classes = ["A", "B", "tie"] if name == "arena" else list(competition.data.classes)
    if name == "arena":
        classes = list(competition.data.target)
    values = {
        "competition": competition,
        "classes": classes,
        "class_weights": np.ones(3),
        "seed": 1,
        "fold": 0,
        "scratch": folder / "scratch",
        "threads": 1,
    }
    return Task(**values | changes)


@pytest.fixture
def task(tiny_encoder, tmp_path):
    return lambda *settings, **changes: make_task(tiny_encoder, tmp_path, *settings, **changes)


@pytest.mark.parametrize("mode", ["siamese", "cross"])
def test_it_learns_a_plain_rule(task, mode):
    fitted = Bert.fit(
        pair_rows(400),
        task(
            f"bert.pair_mode={mode}",
            "bert.epochs=8",
            "bert.learning_rate=3e-3",
            "bert.head_learning_rate=1e-2",
        ),
        pair_rows(100, seed=1),
    )
    points = [p for p in fitted.info["history"] if p["split"] == "validation"]
    assert points[-1]["loss"] < 0.8 * points[-1]["prior_loss"]
    assert not any("did not learn" in note for note in fitted.info["notes"])


def test_info_tells_cost_and_curve(task):
    info = Bert.fit(pair_rows(40), task(), pair_rows(10, seed=1)).info
    assert info["steps"] == 3 and info["epochs"] == 1
    assert info["tokens_per_second"] > 0 and 0 <= info["padded_share"] < 1
    assert info["trainable_parameters"] > 1000 and info["device"].endswith("fp32")
    keys = [(p["step"], p["split"]) for p in info["history"]]
    assert keys == [(2, "train"), (2, "validation"), (3, "train"), (3, "validation")]
    json.dumps(info)


def test_validation_rows_do_not_change_the_model(task):
    test = pair_rows(10, seed=2)
    alone = Bert.fit(pair_rows(40), task()).predict(test)
    watched = Bert.fit(pair_rows(40), task(), pair_rows(10, seed=1)).predict(test)
    np.testing.assert_array_equal(alone, watched)


def test_same_seed_same_predictions(task):
    test = pair_rows(10, seed=2)
    first, again = (Bert.fit(pair_rows(40), task()).predict(test) for _ in range(2))
    other = Bert.fit(pair_rows(40), task(seed=2)).predict(test)
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-4


# Enough training that the order of a pair matters to a network that can see it.
MOVED = ("bert.learning_rate=1e-2", "bert.head_learning_rate=1e-2", "bert.epochs=2")


@pytest.mark.parametrize("mode", ["siamese", "cross"])
def test_swapping_the_answers_swaps_their_classes(task, mode):
    fitted = Bert.fit(pair_rows(80), task(f"bert.pair_mode={mode}", *MOVED))
    test = pair_rows(30, seed=2)
    there, back = fitted.predict(test), fitted.predict(swapped(test))
    error = np.abs(there - back[:, [1, 0, 2]]).max()
    assert error < 1e-6 and error < 0.01 * np.abs(there[:, 0] - there[:, 1]).max()


def test_without_averaging_cross_depends_on_the_order(task):
    settings = ("bert.pair_mode=cross", "bert.swap_averaging=false", *MOVED)
    fitted = Bert.fit(pair_rows(80), task(*settings))
    test = pair_rows(30, seed=2)
    there, back = fitted.predict(test), fitted.predict(swapped(test))
    assert np.abs(there - back[:, [1, 0, 2]]).max() > 1e-4


def test_swapped_rows_are_shown_with_swapped_labels(task, monkeypatch):
    seen = []
    original = step.weighted_loss

    def spy(logits, labels, *args):
        seen.append(labels.numpy().copy())
        return original(logits, labels, *args)

    monkeypatch.setattr(step, "weighted_loss", spy)
    rows = replace(pair_rows(64), labels=np.zeros(64, int))
    Bert.fit(rows, task("bert.pair_mode=cross"))
    shown = np.concatenate(seen[::2])
    assert 0.25 < (shown == 1).mean() < 0.75 and set(shown) == {0, 1}
    seen.clear()
    Bert.fit(rows, task("bert.pair_mode=cross", "bert.swap_augmentation=false"))
    assert set(np.concatenate(seen)) == {0}


@pytest.mark.parametrize("pooling", ["mean", "model"])
@pytest.mark.parametrize("mode", ["siamese", "cross", "single"])
def test_saved_model_predicts_the_same(task, tmp_path, mode, pooling):
    if mode == "single":
        fitted = Bert.fit(single_rows(40), task(f"bert.pooling={pooling}", name="spooky"))
        test = single_rows(20, seed=2)
    else:
        settings = (f"bert.pair_mode={mode}", f"bert.pooling={pooling}")
        fitted = Bert.fit(pair_rows(40), task(*settings))
        test = pair_rows(20, seed=2)
    folder = tmp_path / "saved"
    folder.mkdir()
    fitted.save(folder)
    loaded = Bert.load(folder)
    np.testing.assert_array_equal(loaded.predict(test), fitted.predict(test))
    assert not list(folder.glob("*.bin")) and not list(folder.glob("*.pkl"))
    if mode != "siamese" and pooling == "model":
        plain = AutoModelForSequenceClassification.from_pretrained(folder)
        assert tuple(plain.config.id2label.values()) == fitted.reading.pair.classes


@pytest.mark.parametrize("mode", ["siamese", "cross"])
def test_another_order_of_labels_is_refused(task, tmp_path, mode):
    fitted = Bert.fit(pair_rows(20), task(f"bert.pair_mode={mode}"))
    fitted.save(tmp_path)
    path = tmp_path / "config.json"
    saved = json.loads(path.read_text())
    saved["id2label"]["0"], saved["id2label"]["2"] = saved["id2label"]["2"], saved["id2label"]["0"]
    path.write_text(json.dumps(saved))
    with pytest.raises(UserError, match="names the classes"):
        Bert.load(tmp_path)


def test_a_saved_model_without_its_head_is_refused(task, tmp_path):
    Bert.fit(pair_rows(20), task()).save(tmp_path)
    (tmp_path / "head.safetensors").unlink()
    with pytest.raises(UserError, match="incomplete"):
        Bert.load(tmp_path)


def test_a_classifier_saved_without_its_head_is_refused(task, tmp_path):
    from safetensors.torch import load_file, save_file

    Bert.fit(pair_rows(20), task("bert.pair_mode=cross", "bert.pooling=model")).save(tmp_path)
    path = tmp_path / "model.safetensors"
    kept = {k: v for k, v in load_file(path).items() if not k.startswith("classifier")}
    save_file(kept, path, metadata={"format": "pt"})
    with pytest.raises(UserError, match="incomplete"):
        Bert.load(tmp_path)


def test_max_length_is_cut_to_the_models_own(task):
    fitted = Bert.fit(pair_rows(20), task("bert.max_length=512"))
    assert fitted.reading.max_length == 96
    assert any("512 is cut to the model's 96" in note for note in fitted.info["notes"])


def test_early_stopping_keeps_the_best_and_says_so(task):
    # A rate at which the loss explodes, so that the first epoch is the best one.
    settings = ("bert.early_stopping=1", "bert.epochs=6", "bert.learning_rate=0.3")
    fitted = Bert.fit(pair_rows(40), task(*settings, "bert.warmup=0.0"), pair_rows(20, seed=1))
    assert any("score is optimistic" in note for note in fitted.info["notes"])
    assert fitted.info["epochs"] < 6


def test_a_run_that_did_not_learn_says_so(task, capsys):
    rows = pair_rows(60)
    noise = replace(rows, labels=np.random.default_rng(3).integers(0, 3, 60))
    held = replace(pair_rows(60, seed=1), labels=np.full(60, 2))
    settings = ("bert.learning_rate=1e-2", "bert.head_learning_rate=0.1", "bert.epochs=2")
    info = Bert.fit(replace(noise, labels=np.minimum(noise.labels, 1)), task(*settings), held).info
    assert any(note.startswith("did not learn:") for note in info["notes"])
    assert "warning: bert did not learn" in capsys.readouterr().err


def test_a_bias_alone_is_no_learning_where_rare_rows_are_repeated(task):
    # Rows that tell nothing: 80 of each class once they are repeated, held-out ones 80 to 10.
    rows = replace(pair_rows(240), labels=np.repeat([0, 1, 2], 80))
    labels = np.repeat([0, 1, 2], [80, 10, 10])
    how = task(repeats=np.array([1.0, 8.0, 8.0]))
    plan = Bert.fit(rows.take(np.arange(0, 240, 40)), task())._plan(how, rows.labels)
    weights = plan.held_out_weights
    assert weights[labels].mean() == pytest.approx(1)
    for bias in ([0.5, 0, 0], [1.0, 0, 0], [0, 0.5, 0]):
        found, floor = (
            score(np.tile(logits, (100, 1)), labels, weights)[0].mean()
            for logits in (np.array(bias), plan.log_prior)
        )
        assert found > floor


def test_not_a_number_stops_with_fold_step_and_rows(task):
    settings = ("bert.learning_rate=1e30", "bert.max_grad_norm=1e30", "bert.batch_size=4")
    with pytest.raises(FloatingPointError, match=r"fold 3, step \d+: .* not finite, rows row-\d+"):
        Bert.fit(pair_rows(40), task(*settings, fold=3))


def test_prediction_of_no_rows(task):
    fitted = Bert.fit(pair_rows(20), task())
    assert fitted.predict(pair_rows(1).take(np.array([], int))).shape == (0, 3)


# --- the loop, held to a plain one ----------------------------------------------------------


class Linear(torch.nn.Module):
    """A network so small that its training can be written down twice."""

    def __init__(self):
        super().__init__()
        self.base_model = torch.nn.Embedding(50, 8)
        self.head = torch.nn.Linear(8, 3)

    def forward(self, input_ids, attention_mask):
        mask = attention_mask.unsqueeze(2).float()
        mean = (self.base_model(input_ids) * mask).sum(1) / mask.sum(1)
        return type("Output", (), {"logits": self.head(mean)})


def labelled(n, seed=0):
    generator = np.random.default_rng(seed)
    ids = [generator.integers(0, 50, k).astype(np.int32) for k in generator.integers(1, 20, n)]
    sequences = Sequences(ids, np.array([len(i) for i in ids]))
    labels = generator.integers(0, 3, n)
    return Labelled(Examples((sequences,), False, 0, False), labels, np.arange(n).astype(str))


def plan(**changes):
    settings = load_competition("spooky", [f"bert.{k}={v}" for k, v in changes.items()]).bert
    weights = np.array([0.5, 1.0, 2.0])
    prior = np.log(np.ones(3) / 3)
    swapped_class = np.arange(3)
    return TrainingPlan(
        settings, Device("cpu", torch.float32), weights, prior, swapped_class, False, 0, 0, weights
    )


def trained(**changes):
    torch.manual_seed(0)
    network, data = Linear(), labelled(50)
    record = loop.train(network, data, plan(epochs=2, batch_size=16, **changes), None)
    return predict_logits(network, data.examples, Device("cpu", torch.float32), 10_000), record


def test_micro_batches_add_up_to_the_step():
    whole, record = trained(batch_tokens=100_000)
    parts, _ = trained(batch_tokens=30)
    np.testing.assert_allclose(whole, parts, atol=1e-5)
    assert record.steps == 2 * 4


def test_training_equals_a_plain_loop():
    found, _ = trained(batch_tokens=30, label_smoothing=0.1)
    torch.manual_seed(0)
    network, data, how = Linear(), labelled(50), plan(epochs=2, batch_size=16, label_smoothing=0.1)
    weights = torch.tensor(how.class_weights, dtype=torch.float32)
    optimiser = parts.make_optimiser(network, how.config)
    scheduler = parts.get_scheduler("linear", optimiser, num_warmup_steps=1, num_training_steps=8)
    generator = np.random.default_rng(0)
    for _ in range(2):
        generator.random(50)
        for rows in loop.step_batches(data.examples.lengths, 16, generator):
            logits = network(**data.examples.batch(rows)).logits
            labels = torch.from_numpy(data.labels[rows])
            losses = torch.nn.functional.cross_entropy(
                logits, labels, weight=weights, reduction="none", label_smoothing=0.1
            )
            losses.mean().backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            optimiser.zero_grad()
            scheduler.step()
    plain = predict_logits(network, data.examples, Device("cpu", torch.float32), 10_000)
    np.testing.assert_allclose(found, plain, atol=1e-5)


def test_weighted_loss_equals_torch():
    generator = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(20, 3, generator=generator), torch.arange(20) % 3
    weights = torch.tensor([0.5, 1.0, 2.0])
    reference = torch.nn.CrossEntropyLoss(weight=weights)(logits, labels)
    ours = step.weighted_loss(logits, labels, weights) / weights[labels].sum()
    torch.testing.assert_close(ours, reference)


def test_bucketed_logits_equal_one_by_one(tiny_encoder, task):
    fitted = Bert.fit(pair_rows(20), task("bert.batch_tokens=400"))
    examples = fitted.reading.examples(pair_rows(30, seed=2), fitted.packer, True)
    device = Device("cpu", torch.float32)
    bucketed = predict_logits(fitted.network, examples, device, 400)
    alone = predict_logits(fitted.network, examples, device, 1)
    padded = predict_logits(fitted.network, examples, device, 100_000)
    np.testing.assert_allclose(bucketed, alone, atol=1e-4)
    np.testing.assert_allclose(bucketed, padded, atol=1e-4)


def test_biases_and_norms_do_not_decay_and_the_head_has_its_own_rate(task, tiny_encoder):
    network = AutoModelForSequenceClassification.from_pretrained(tiny_encoder)
    config_ = task().competition.bert
    names = {id(p): name for name, p in network.named_parameters()}
    for group in parts.make_optimiser(network, config_).param_groups:
        for parameter in group["params"]:
            name = names[id(parameter)]
            vector = name.endswith("bias") or "LayerNorm" in name
            assert group["weight_decay"] == (0.0 if vector else config_.weight_decay)
            head = name.startswith("classifier")
            assert group["lr"] == (config_.head_learning_rate if head else config_.learning_rate)


@pytest.mark.parametrize("at", [2, 3, 5])
def test_a_killed_training_ends_where_it_would_have(task, monkeypatch, at):
    settings = ("bert.epochs=2", "bert.pair_mode=cross")
    test = pair_rows(10, seed=2)
    whole = Bert.fit(pair_rows(40), task(*settings), test)
    monkeypatch.setattr(checkpoint, "EVERY_SECONDS", 0.0)
    seen = []

    def kill(self, record):
        seen.append(record.steps)
        if record.steps == at + 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loop.ProgressLog, "show", kill)
        with pytest.raises(KeyboardInterrupt):
            Bert.fit(pair_rows(40), task(*settings), test)
    steps = seen.copy()
    monkeypatch.setattr(loop.ProgressLog, "show", lambda self, record: seen.append(record.steps))
    resumed = Bert.fit(pair_rows(40), task(*settings), test)
    assert seen[len(steps) :] == list(range(at + 1, 7))
    np.testing.assert_array_equal(resumed.predict(test), whole.predict(test))
    assert resumed.info["history"] == whole.info["history"]


def test_the_state_of_another_training_is_ignored(task, monkeypatch):
    monkeypatch.setattr(checkpoint, "EVERY_SECONDS", 0.0)
    Bert.fit(pair_rows(40), task(seed=2))
    assert (task().scratch / "state.pt").exists()
    again = Bert.fit(pair_rows(40), task())
    assert again.info["history"][0]["step"] == 2
    (task().scratch / "state.pt").write_bytes(b"broken off")
    test = pair_rows(10, seed=2)
    np.testing.assert_array_equal(
        Bert.fit(pair_rows(40), task()).predict(test), again.predict(test)
    )
