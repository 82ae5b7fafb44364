import pytest
import torch
from transformers import AutoModelForSequenceClassification

from foldwise.backbone.device import Device
from foldwise.finetune import throughput
from foldwise.finetune.plan import Record


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
    record = Record(tokens=900, padded_tokens=1000, squares=9000, seconds=3.0)
    found = throughput.summary(network, record, Device("cpu", torch.float32))
    assert found["tokens_per_second"] == 300 and found["padded_share"] == pytest.approx(0.1)
    flops = throughput.training_flops(network, 900, 9000)
    assert found["mfu"] == pytest.approx(flops / 3e12)
    assert "300 tokens/s, padding 10.0%, MFU" in throughput.line(found)


def test_on_a_gpu_its_memory_is_among_the_figures(tiny_encoder, monkeypatch):
    monkeypatch.setattr(throughput, "peak", lambda device: (1e12, "data sheet"))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: 3 * 2**30)
    network = AutoModelForSequenceClassification.from_pretrained(tiny_encoder)
    record = Record(tokens=900, padded_tokens=1000, squares=9000, seconds=3.0)
    found = throughput.summary(network, record, Device("cuda", torch.bfloat16))
    assert found["gpu_memory_mb"] == 3072
    assert throughput.line(found).endswith("data sheet, GPU memory 3,072 MB")


def test_the_peak_of_a_cpu_is_timed():
    throughput.peak.cache_clear()
    rate, basis = throughput.peak(Device("cpu", torch.float32))
    assert basis == "measured" and 1e8 < rate < 1e15
