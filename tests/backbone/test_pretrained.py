import json
import shutil

import pytest
import torch
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    RobertaConfig,
    RobertaModel,
)

from foldwise.backbone import pretrained
from foldwise.errors import UserError

CLASSES = ["yes", "no", "maybe"]


def edit_config(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.fixture
def copy(tiny_encoder, tmp_path):
    return shutil.copytree(tiny_encoder, tmp_path / "model")


@pytest.fixture
def classifier(tiny_encoder, tmp_path):
    """Return a fine-tuned checkpoint with a head of its own."""

    def make(labels):
        config = BertConfig.from_pretrained(tiny_encoder, id2label=dict(enumerate(labels)))
        folder = tmp_path / "classifier"
        BertForSequenceClassification(config).save_pretrained(folder)
        AutoTokenizer.from_pretrained(tiny_encoder).save_pretrained(folder)
        return folder

    return make


def test_only_the_head_may_be_new(tiny_encoder):
    loaded = pretrained.load(str(tiny_encoder), "classifier", CLASSES)
    assert loaded.notes == [f"{tiny_encoder}: the classification head is newly initialised"]
    assert loaded.model.config.id2label == dict(enumerate(CLASSES))
    assert {p.dtype for p in loaded.model.parameters()} == {torch.float32}


def test_bfloat16_checkpoint_is_loaded_as_float32(tiny_encoder, tmp_path):
    from transformers import BertModel

    model = BertModel.from_pretrained(tiny_encoder).to(torch.bfloat16)
    model.save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(tiny_encoder).save_pretrained(tmp_path)
    loaded = pretrained.load(str(tmp_path), "encoder")
    assert {p.dtype for p in loaded.model.parameters()} == {torch.float32}


def test_bert_weights_in_a_roberta_folder_are_refused_by_name(classifier):
    folder = classifier(CLASSES)
    edit_config(folder, model_type="roberta", architectures=None)
    with pytest.raises(UserError) as refusal:
        pretrained.load(str(folder), "classifier", CLASSES)
    message = str(refusal.value)
    assert "\n" not in message and str(folder) in message
    assert "RobertaForSequenceClassification are not in the checkpoint" in message
    assert "roberta.embeddings.LayerNorm.bias" in message and " more" in message


def test_architecture_at_odds_with_the_model_type_is_refused(copy):
    # Bare encoders share weight names: all of these weights would load.
    edit_config(copy, model_type="roberta")
    with pytest.raises(UserError, match="saved by BertModel.*model_type = 'roberta'"):
        pretrained.load(str(copy), "encoder")


def test_weights_of_another_shape_are_refused(copy):
    edit_config(copy, intermediate_size=48)
    with pytest.raises(UserError, match="intermediate.dense.weight"):
        pretrained.load(str(copy), "classifier", CLASSES)


def test_a_missing_pooler_is_noted_as_part_of_the_head(tiny_encoder, tmp_path):
    from transformers import BertModel

    BertModel.from_pretrained(tiny_encoder, add_pooling_layer=False).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(tiny_encoder).save_pretrained(tmp_path)
    loaded = pretrained.load(str(tmp_path), "classifier", CLASSES)
    assert any("no pooler" in note for note in loaded.notes)


def test_random_weights_are_accepted_only_when_asked_for(copy):
    (copy / "model.safetensors").unlink()
    with pytest.raises(UserError):
        pretrained.load(str(copy), "classifier", CLASSES)
    loaded = pretrained.load(str(copy), "classifier", CLASSES, allow_random_weights=True)
    assert "random" in loaded.notes[0]


def test_head_of_another_size_is_new(classifier):
    loaded = pretrained.load(str(classifier(["a", "b"])), "classifier", CLASSES)
    assert loaded.model.classifier.out_features == 3
    assert "head is newly initialised" in loaded.notes[-1]


def test_head_of_other_classes_is_not_reused(classifier):
    folder = classifier(["entailment", "neutral", "contradiction"])
    old = BertForSequenceClassification.from_pretrained(folder).classifier.weight
    loaded = pretrained.load(str(folder), "classifier", CLASSES)
    assert not torch.equal(loaded.model.classifier.weight, old)
    assert "head was for ['entailment'" in loaded.notes[-1]


def test_head_of_the_same_classes_is_kept_and_noted(classifier):
    folder = classifier(CLASSES)
    old = BertForSequenceClassification.from_pretrained(folder).classifier.weight
    loaded = pretrained.load(str(folder), "classifier", CLASSES)
    assert torch.equal(loaded.model.classifier.weight, old)
    assert "own classification head is kept" in loaded.notes[-1]


def test_longest_input_counts_what_roberta_can_use(tiny_encoder):
    loaded = pretrained.load(str(tiny_encoder), "encoder")
    assert pretrained.longest_input(loaded.model, loaded.tokenizer) == 96
    roberta = RobertaModel(
        RobertaConfig(
            vocab_size=100,
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            max_position_embeddings=66,
        )
    )
    assert pretrained.longest_input(roberta, loaded.tokenizer) == 64
