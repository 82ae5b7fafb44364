import numpy as np
import pytest
from models.test_bert import make_task, pair_rows

from foldwise.models import seeds
from foldwise.models.bert import Bert
from foldwise.models.seeds import SeedAverage


@pytest.fixture
def task(tiny_encoder, tmp_path):
    return lambda *settings, **changes: make_task(tiny_encoder, tmp_path, *settings, **changes)


def test_several_seeds_give_the_mean_of_their_probabilities(task, tmp_path):
    rows, test = pair_rows(40), pair_rows(10, seed=2)
    fitted = SeedAverage.fit(rows, task("bert.seeds=2"), pair_rows(10, seed=1))
    alone = [Bert.fit(rows, task(seed=seed)).predict(test) for seed in (1, 1 + seeds._STRIDE)]
    assert np.abs(alone[0] - alone[1]).max() > 1e-4
    np.testing.assert_allclose(fitted.predict(test), np.mean(alone, axis=0), atol=1e-12)
    assert any("mean of 2 seeds" in note for note in fitted.info["notes"])
    assert len(fitted.info["histories"]) == 2 and fitted.info["steps"] == 6
    folder = tmp_path / "saved"
    folder.mkdir()
    fitted.save(folder)
    assert {path.name for path in folder.iterdir()} == {"seed-0", "seed-1"}
    np.testing.assert_array_equal(SeedAverage.load(folder).predict(test), fitted.predict(test))


def test_one_seed_is_the_plain_network_in_the_folder_itself(task, tmp_path):
    rows, test = pair_rows(40), pair_rows(10, seed=2)
    fitted = SeedAverage.fit(rows, task())
    np.testing.assert_array_equal(fitted.predict(test), Bert.fit(rows, task()).predict(test))
    folder = tmp_path / "saved"
    folder.mkdir()
    fitted.save(folder)
    assert (folder / "model.safetensors").exists()
    np.testing.assert_array_equal(SeedAverage.load(folder).predict(test), fitted.predict(test))


def test_a_finished_seed_is_not_trained_again(task, monkeypatch):
    rows, test, how = pair_rows(40), pair_rows(10, seed=2), task("bert.seeds=2")
    whole, trained = SeedAverage.fit(rows, how).predict(test), []
    fit = Bert.fit

    def killed(train, task, validation):
        trained.append(task.seed)
        if len(trained) == 2:
            raise KeyboardInterrupt
        return fit(train, task, validation)

    monkeypatch.setattr(seeds.Bert, "fit", killed)
    other = task("bert.seeds=2", seed=5)
    with pytest.raises(KeyboardInterrupt):
        SeedAverage.fit(rows, other)
    resumed = SeedAverage.fit(rows, other)
    assert trained == [5, 5 + seeds._STRIDE, 5 + seeds._STRIDE]
    monkeypatch.setattr(seeds.Bert, "fit", fit)
    # What an earlier training left there is not taken for this one's.
    np.testing.assert_array_equal(SeedAverage.fit(rows, how).predict(test), whole)
    assert np.abs(resumed.predict(test) - whole).max() > 1e-5
