"""The coordinate-wise trimmed mean against SciPy on whole vectors."""

import numpy as np
import pytest
from scipy.stats import trim_mean

from strategies import Round
from strategies.trimmed_mean import TrimmedMean
from tests.strategies.rounds import LAYOUT, initial, play, server, updated
from utils.errors import UserError
from utils.flags import check_flags

THIS = Round(1, 0, 100, (), ())


@pytest.mark.parametrize("trim", [0.0, 0.1, 0.34])
def test_it_is_scipys_on_whole_vectors(tmp_path, trim):
    mine = play(server(TrimmedMean(TrimmedMean.Flags(trim=trim), LAYOUT), str(tmp_path)), 1, 1).vector
    np.testing.assert_allclose(mine, trim_mean(np.array(updated(initial(), 1), np.float64), trim), rtol=1e-6)


def test_that_it_leaves_none_out_is_said_before_the_first_round(monkeypatch, caplog):
    monkeypatch.setattr("utils.console.NOTES.propagate", True)
    for participants in (5, 3):
        TrimmedMean.check(TrimmedMean.Flags(), participants)
    assert caplog.messages == ["--trim 0.2 leaves none of 3 clients out: this is their plain mean"]


def test_how_many_are_left_out_goes_by_the_decimal_number():
    """In floats 0.29·100 falls just short of 29."""
    clients = np.random.default_rng(0).standard_normal((100, 7)).astype(np.float32)
    mean = TrimmedMean(TrimmedMean.Flags(trim=0.29), LAYOUT).merge(THIS, slice(0, 7), clients[0], clients, [], [])
    np.testing.assert_allclose(mean, np.sort(clients, axis=0)[29:71].mean(axis=0, dtype=np.float64))


def test_half_of_the_clients_at_each_end_leaves_none():
    with pytest.raises(UserError, match=r"--trim 0\.5: must be a number from 0 to below 0\.5"):
        check_flags(TrimmedMean.Flags(trim=0.5))
