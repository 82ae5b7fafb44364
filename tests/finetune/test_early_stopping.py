import torch

from foldwise.finetune.early_stopping import EarlyStopping
from foldwise.finetune.plan import TrainingRecord


def epochs(patience, losses):
    """Show epochs with these losses, whose only weight is their number; return what is left."""
    stopping, record, network = (
        EarlyStopping(patience),
        TrainingRecord(),
        torch.nn.Linear(1, 1, bias=False),
    )
    for epoch, loss in enumerate(losses, 1):
        with torch.no_grad():
            network.weight.fill_(epoch)
        record.epochs = epoch
        record.history.append({"loss": loss})
        if stopping.ends(network, record):
            break
    return stopping, record


def test_the_weights_of_the_best_epoch_are_kept_as_they_were():
    stopping, record = epochs(3, [1.0, 0.8, 0.9, 0.85])
    assert (record.best_epoch, record.epochs) == (2, 4)
    assert stopping.best.loss == 0.8 and stopping.best.network["weight"].item() == 2


def test_it_ends_after_as_many_epochs_without_a_better_one_as_it_was_told():
    for patience in (1, 2, 3):
        _, record = epochs(patience, [1.0, 0.8, 0.9, 0.8, 0.85, 0.7])
        assert (record.best_epoch, record.epochs) == (2, 2 + patience)


def test_a_better_epoch_starts_the_count_anew():
    _, record = epochs(2, [1.0, 1.1, 0.9, 1.0, 0.8, 0.9])
    assert (record.best_epoch, record.epochs) == (5, 6)


def test_a_loss_that_is_no_number_is_kept_only_where_there_is_nothing_else():
    stopping, record = epochs(1, [float("nan"), 0.5, 0.4])
    assert (record.best_epoch, record.epochs) == (1, 2)
    assert stopping.best.network["weight"].item() == 1


def test_without_patience_nothing_is_kept_and_nothing_ends():
    stopping, record = epochs(0, [1.0, 2.0, 3.0])
    assert stopping.best is None and (record.best_epoch, record.epochs) == (0, 3)
