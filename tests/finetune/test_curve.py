from foldwise.finetune.curve import learning_notes
from foldwise.finetune.plan import TrainingRecord


def test_a_net_that_is_only_too_sure_is_told_from_one_that_did_not_learn(capsys):
    def notes(scaled_loss):
        point = {"split": "validation", "epoch": 1, "loss": 1.2, "prior_loss": 1.1, "rows": 300}
        record = TrainingRecord(steps=9, history=[point | {"scaled_loss": scaled_loss}])
        return learning_notes(record, 4)

    assert notes(0.9)[0].startswith("over-confident: after 9 steps the validation loss of fold 4")
    assert "warning: bert over-confident" in capsys.readouterr().err
    assert notes(1.09)[0].startswith("did not learn")
