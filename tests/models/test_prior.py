import numpy as np
from madeup import fit, pair_rows


def test_the_prior_is_the_class_frequencies(tmp_path):
    competition, data = pair_rows()
    shares = np.bincount(data.labels) / len(data)
    np.testing.assert_allclose(fit("prior", competition, data, tmp_path).shares, shares, atol=0.02)
