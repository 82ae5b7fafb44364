import pytest
import torch
from torch import nn

from foldwise.backbone.dropout import ByteDropout, use_byte_dropout


@pytest.mark.parametrize("p", [0.1, 0.5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_share_of_p_is_dropped_and_the_mean_kept(p, dtype):
    torch.manual_seed(1)
    found = ByteDropout(p)(torch.ones(301, 997, dtype=dtype))
    assert found.dtype == dtype
    assert (found == 0).float().mean() == pytest.approx(p, abs=0.004)
    assert found.float().mean() == pytest.approx(1.0, abs=0.005)


def test_every_place_of_a_byte_is_drawn_alike():
    torch.manual_seed(1)
    found = ByteDropout(0.1)(torch.ones(40_000, 8)) == 0
    shares = found.float().mean(dim=0)
    assert (shares - 26 / 256).abs().max() < 0.008


def test_gradients_pass_where_a_value_was_kept():
    torch.manual_seed(1)
    x = torch.ones(1000, requires_grad=True)
    found = ByteDropout(0.25)(x)
    found.sum().backward()
    torch.testing.assert_close(x.grad, found.detach())


def test_nothing_is_dropped_outside_training():
    x = torch.randn(50)
    assert torch.equal(ByteDropout(0.5).eval()(x), x)
    assert torch.equal(ByteDropout(0.0)(x), x)
    assert torch.equal(ByteDropout(1.0)(x), torch.zeros(50))


def test_the_same_seed_draws_the_same():
    x = torch.randn(37)
    torch.manual_seed(5)
    first = ByteDropout(0.3)(x)
    torch.manual_seed(5)
    assert torch.equal(ByteDropout(0.3)(x), first)


def test_all_dropouts_of_a_network_are_replaced():
    inner = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.2))
    network = nn.ModuleDict({"inner": inner, "drop": nn.Dropout(0.1)}).eval()
    names = list(network.state_dict())
    use_byte_dropout(network)
    assert [type(network["drop"]), type(inner[1])] == [ByteDropout, ByteDropout]
    assert inner[1].p == 0.2 and not inner[1].training
    assert list(network.state_dict()) == names
