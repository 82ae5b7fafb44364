"""AdamW with a learning rate for each depth of the encoder and one for the head.

Layer-wise decay (Howard and Ruder, 2018, "discriminative fine-tuning"): the layers next to the
head move at the full rate, each layer below at `layer_decay` times the rate of the one above, so
that what pre-training knows about words is changed least.
"""

from typing import Any

import torch

from foldwise.config.sections import BertConfig
from foldwise.errors import require


def make_optimiser(network: Any, config: BertConfig) -> torch.optim.AdamW:
    """Return AdamW over all trainable parameters; biases and norms do not decay.

    Parameters
    ----------
    network : torch.nn.Module
        Has the encoder as `base_model`.
    config : foldwise.config.sections.BertConfig
        `learning_rate`, `head_learning_rate`, `layer_decay` and `weight_decay` are read.

    Raises
    ------
    UserError
        If rates are to decay by layer and the encoder has no list of layers.
    """
    below = depths(network.base_model) if config.layer_decay < 1 else {}
    body = {id(p) for p in network.base_model.parameters()}
    groups: dict[tuple[float, bool], list[torch.nn.Parameter]] = {}
    for parameter in network.parameters():
        if parameter.requires_grad:
            rate = config.head_learning_rate
            if id(parameter) in body:
                rate = config.learning_rate * config.layer_decay ** below.get(id(parameter), 0)
            # Biases and the gains of layer norms are the parameters with one dimension.
            groups.setdefault((rate, parameter.ndim > 1), []).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": found, "lr": rate, "weight_decay": config.weight_decay if decays else 0.0}
            for (rate, decays), found in groups.items()
        ],
        fused=True,
    )


def depths(encoder: torch.nn.Module) -> dict[int, int]:
    """Return how many layers stand above each parameter, by the parameter's `id`.

    The top layer and what follows it (a last norm, a pooler) has 0, the embeddings as many as
    there are layers.
    """
    layers = layer_list(encoder)
    require(
        layers is not None,
        f"bert.layer_decay: {type(encoder).__name__} has no list of layers; set it to 1.0",
    )
    inside = {id(p): len(layers) - 1 - i for i, x in enumerate(layers) for p in x.parameters()}
    found, above = {}, len(layers)
    # Parameters come in the order of the modules: embeddings, layers, then the rest.
    for parameter in encoder.parameters():
        if id(parameter) in inside:
            found[id(parameter)], above = inside[id(parameter)], 0
        else:
            found[id(parameter)] = above
    return found


def layer_list(encoder: torch.nn.Module) -> torch.nn.ModuleList | None:
    """Return the encoder's layers, or None if it has no list as long as its configuration says."""
    config = getattr(encoder, "config", None)
    # The common name; transformers maps it onto each architecture's own ("n_layers", …).
    wanted = getattr(config, "num_hidden_layers", None)
    lists = (m for m in encoder.modules() if isinstance(m, torch.nn.ModuleList))
    return next((m for m in lists if len(m) == wanted), None)
