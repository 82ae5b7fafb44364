import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from foldwise.config.competition import load_competition
from foldwise.config.run import Run

# How long an example takes says more about the machine than about the code.
settings.register_profile(
    "patient", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("patient")


@pytest.fixture
def real_data():
    """Folder of the real data sets; without it the test is skipped and says so."""
    folder = os.environ.get("FOLDWISE_REAL_DATA")
    if not folder:
        pytest.skip("needs real data: set FOLDWISE_REAL_DATA to its folder")
    return Path(folder).resolve()


@pytest.fixture
def make_run(tmp_path):
    """Make a Run of a shipped competition with folders of its own."""

    def make(name, *settings, input=None, output=None, **options):
        folder = input or tmp_path / "input"
        folder.mkdir(exist_ok=True)
        return Run(
            load_competition(name, settings), folder, output or tmp_path / "output", **options
        )

    return make


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory):
    """Folder of an encoder with two narrow layers, random weights and a real tokenizer."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertModel

    from foldwise.backbone.source import packaged_folder

    folder = tmp_path_factory.mktemp("tiny-encoder")
    tokenizer = AutoTokenizer.from_pretrained(packaged_folder())
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=96,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
