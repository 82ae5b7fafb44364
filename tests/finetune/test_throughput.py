import pytest
import torch
from transformers import AutoModelForSequenceClassification

from foldwise.backbone.device import Device
from foldwise.finetune import throughput
from foldwise.finetune.plan import TrainingRecord


def test_operations_are_those_that_torch_counts(tiny_encoder):
    from torch.utils.flop_counter import FlopCounterMode

    network = AutoModelForSequenceClassification.from_pretrained(tiny_encoder)
    network.set_attn_implementation("eager")
    ids = torch.randint(1000, 2000, (8, 64))
    with FlopCounterMode(display=False) as counter:
        network(input_ids=ids, attention_mask=torch.ones_like(ids)).logits.sum().backward()
    ours = throughput.training_flops(network, ids.numel(), 8 * 64**2)
    # The pooler and the head, which are left out, read one token of 64.
    assert ours == pytest.approx(counter.get_total_flops(), rel=0.02)


def test_figures_follow_from_the_record(tiny_encoder, monkeypatch):
    monkeypatch.setattr(throughput, "peak", lambda device: (1e12, "measured"))
    network = AutoModelForSequenceClassification.from_pretrained(tiny_encoder)
    record = TrainingRecord(tokens=900, padded_tokens=1000, squares=9000, seconds=3.0)
    found = throughput.summary(network, record, Device("cpu", torch.float32))
    assert found["tokens_per_second"] == 300 and found["padded_share"] == pytest.approx(0.1)
    flops = throughput.training_flops(network, 900, 9000)
    assert found["mfu"] == pytest.approx(flops / 3e12)
    assert "300 tokens/s, padding 10.0%, MFU" in throughput.line(found)


def test_on_a_gpu_its_memory_is_among_the_figures(tiny_encoder, monkeypatch):
    monkeypatch.setattr(throughput, "peak", lambda device: (1e12, "data sheet"))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: 3 * 2**30)
    network = AutoModelForSequenceClassification.from_pretrained(tiny_encoder)
    record = TrainingRecord(tokens=900, padded_tokens=1000, squares=9000, seconds=3.0)
    found = throughput.summary(network, record, Device("cuda", torch.bfloat16))
    assert found["gpu_memory_mb"] == 3072
    assert throughput.line(found).endswith("data sheet, GPU memory 3,072 MB")


@pytest.fixture
def untimed(monkeypatch):
    monkeypatch.setattr(throughput, "_best", {})


def test_the_peak_of_a_cpu_is_timed(untimed):
    rate, basis = throughput.peak(Device("cpu", torch.float32))
    assert basis == "measured" and 1e8 < rate < 1e15


def test_the_peak_is_the_best_of_all_rounds_and_of_those_before(untimed, monkeypatch):
    monkeypatch.setattr(throughput, "_seconds_of", clocked(monkeypatch, [9, 9, 9, 3, 9] + [9] * 9))
    device = Device("cpu", torch.float32)
    expected = pytest.approx(2 * 1024**3 / 3)
    assert throughput.peak(device)[0] == expected
    # All products of a later call are slow: another program runs.
    assert throughput.peak(device)[0] == expected


def clocked(monkeypatch, products):
    """Return a timer of products that take so many seconds each, by a clock that knows it."""
    left, now = iter(products), [0.0]
    monkeypatch.setattr(throughput.time, "perf_counter", lambda: now[0])

    def product(a, b):
        seconds = next(left)
        now[0] += seconds
        return seconds

    return product


def test_more_than_the_peak_is_never_shown(tiny_encoder, untimed, monkeypatch):
    network = AutoModelForSequenceClassification.from_pretrained(tiny_encoder)
    record = TrainingRecord(tokens=900, padded_tokens=1000, squares=9000, seconds=3.0)
    flops = throughput.training_flops(network, 900, 9000)
    device = Device("cpu", torch.float32)
    # A busy machine: a product takes so long that the training would have done 139 %.
    slow = 2 * 1024**3 / (flops / 3.0 / 1.39)
    monkeypatch.setattr(throughput, "_seconds_of", clocked(monkeypatch, [slow] * 5))
    found = throughput.summary(network, record, device)
    assert not {"mfu", "mfu_peak"} & found.keys()
    assert throughput.line(found) == "300 tokens/s, padding 10.0%"
    monkeypatch.setattr(throughput, "_seconds_of", clocked(monkeypatch, [slow / 2] * 5))
    assert throughput.summary(network, record, device)["mfu"] == pytest.approx(0.695)
