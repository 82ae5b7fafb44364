import copy

import pytest
import torch
from models.test_bert import Linear, plan

from foldwise.finetune.parts import Parts


def moved(parts, times=1):
    for _ in range(times):
        for parameter in parts.network.parameters():
            parameter.grad = torch.ones_like(parameter)
        parts.clip(1.0)
        parts.update()


def test_what_is_kept_is_the_average_only_if_one_is_taken():
    network = Linear()
    assert Parts.of(network, plan(), 10).kept is network
    averaged = Parts.of(network, plan(ema=0.9), 10)
    moved(averaged)
    assert averaged.kept is not network
    # The first step sets the average, later ones pull it along.
    torch.testing.assert_close(averaged.kept.head.weight, network.head.weight)
    moved(averaged)
    assert (averaged.kept.head.weight - network.head.weight).abs().max() > 0


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_the_states_of_all_parts_go_on_where_they_were(ema):
    torch.manual_seed(0)
    first = Parts.of(Linear(), plan(ema=ema, warmup=0.5), 10)
    moved(first, 3)
    states = {name: copy.deepcopy(x.state_dict()) for name, x in first.stateful().items()}
    assert ("average" in states) == bool(ema)
    second = Parts.of(Linear(), plan(ema=ema, warmup=0.5), 10)
    for name, part in second.stateful().items():
        part.load_state_dict(states[name])
    for parts in (first, second):
        moved(parts, 3)
    torch.testing.assert_close(first.kept.state_dict(), second.kept.state_dict(), rtol=0, atol=0)
    assert first.schedule.get_last_lr() == second.schedule.get_last_lr()


def test_gradients_are_used_up_and_their_norm_is_told():
    parts = Parts.of(Linear(), plan(), 10)
    for parameter in parts.network.parameters():
        parameter.grad = torch.full_like(parameter, 2.0)
    count = sum(p.numel() for p in parts.network.parameters())
    assert parts.clip(1.0).item() == pytest.approx(2 * count**0.5)
    assert sum((p.grad**2).sum() for p in parts.network.parameters()) == pytest.approx(1, rel=1e-3)
    parts.update()
    assert all(p.grad is None for p in parts.network.parameters())
