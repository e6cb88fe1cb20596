"""The loop of rounds in the real engine, with clients that fail for good and one that holds the others up."""

import json
import sys

import numpy as np

from tests.engine.unreliable import CLIENTS, FAILING, update
from tests.processes import outcome_of


def test_clients_that_fail_for_good_leave_the_others_updates_whole():
    """Two of the first group fail while a slow one keeps the mean waiting and the nodes go on to later clients."""
    done = outcome_of([sys.executable, "-m", "tests.engine.unreliable"])
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    good = [client for client in range(CLIENTS) if client not in FAILING]
    assert outcome["clients"] == good
    assert [failure.split(":")[0] for failure in outcome["failures"]] == [f"client {client}" for client in FAILING]
    weights = np.array([1 + client for client in good], np.float64)
    expected = weights @ np.array([update(client) for client in good], np.float64) / weights.sum()
    assert np.array_equal(np.array(outcome["mean"], np.float32), expected.astype(np.float32))
