import pytest
import torch
from transformers import AutoModelForSequenceClassification, DistilBertConfig, DistilBertModel

from foldwise.config.competition import load_competition
from foldwise.errors import UserError
from foldwise.finetune.optimiser import depths, make_optimiser


def bert(*settings):
    return load_competition("spooky", [f"bert.{s}" for s in settings]).bert


def rates(network, how):
    names = {id(p): name for name, p in network.named_parameters()}
    groups = make_optimiser(network, how).param_groups
    return {names[id(p)]: group["lr"] for group in groups for p in group["params"]}


def test_each_layer_below_learns_at_a_fraction_of_the_one_above(tiny_encoder):
    network = AutoModelForSequenceClassification.from_pretrained(tiny_encoder)
    found = rates(network, bert("layer_decay=0.5", "learning_rate=0.08", "head_learning_rate=1.0"))
    assert len(found) == len(list(network.parameters()))
    for name, rate in found.items():
        if name.startswith("classifier"):
            assert rate == 1.0
        elif ".layer.1." in name or ".pooler." in name:
            assert rate == 0.08
        elif ".layer.0." in name:
            assert rate == 0.04
        else:
            assert ".embeddings." in name and rate == 0.02


def test_without_decay_the_whole_encoder_has_one_rate(tiny_encoder):
    network = AutoModelForSequenceClassification.from_pretrained(tiny_encoder)
    found = rates(network, bert("learning_rate=0.08", "head_learning_rate=1.0"))
    assert set(found.values()) == {0.08, 1.0}


def test_layers_are_found_under_another_architectures_names():
    encoder = DistilBertModel(DistilBertConfig(vocab_size=10, dim=8, n_layers=3, n_heads=1))
    found = depths(encoder)
    assert {found[id(p)] for p in encoder.embeddings.parameters()} == {3}
    assert {found[id(p)] for p in encoder.transformer.layer[0].parameters()} == {2}


def test_an_encoder_without_layers_is_refused():
    network = torch.nn.Sequential(torch.nn.Linear(2, 2))
    network.base_model = torch.nn.Embedding(4, 2)
    with pytest.raises(UserError, match="layer_decay: Embedding has no list of layers"):
        make_optimiser(network, bert("layer_decay=0.9"))
