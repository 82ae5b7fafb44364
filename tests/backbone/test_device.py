import platform
import resource

import pytest
import torch
from torch import nn

from foldwise.backbone.device import Device
from foldwise.backbone.dropout import ByteDropout


class Network(nn.Sequential):
    """Stands for a transformer: has the one method that a device asks for."""

    @property
    def base_model(self):
        return self

    def set_attn_implementation(self, name):
        self.attention = name


@pytest.fixture
def network():
    return Network(nn.Linear(4, 4), nn.Dropout(0.1))


cpu = pytest.mark.skipif(torch.cuda.is_available(), reason="of a CPU alone")


@cpu
def test_a_cpu_gets_cheap_dropout_and_plain_attention(network):
    with Device.choose("fp32").holding(network):
        assert type(network[1]) is ByteDropout
        assert network.attention == "eager"


@cpu
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of glibc alone")
def test_memory_freed_in_a_step_serves_the_next_one(network):
    def faults():
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

    size, steps = 48 * 2**20, 20
    with Device.choose("fp32").holding(network):
        for _ in range(steps):  # until there are blocks of every kind
            torch.ones(size // 4)
        before = faults()
        for _ in range(steps):
            torch.ones(size // 4)
        found = faults() - before
    # Handed back to the system and fetched again, every page of every step would be a fault.
    assert found < steps * size / resource.getpagesize() / 4


def test_the_budget_of_tokens_is_the_users_or_what_suits_the_device():
    cuda, host = Device("cuda", torch.float16), Device("cpu", torch.float32)
    assert [cuda.token_budget(0), host.token_budget(0)] == [8192, 4096]
    assert [cuda.token_budget(300), host.token_budget(300)] == [300, 300]
