"""What holds for every method of strategies/, at its defaults if not said, of those that get one vector of a client.

Those of adapters need the tensors of some, and a method of which a client returns more than its model has a test of its
own for what it makes of these.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from strategies import Strategy
from tests.strategies.rounds import once
from utils.plugins import STRATEGIES
from utils.vectors.layout import Layout, Place

LAYOUT = Layout(6000, (Place("matrix", (40, 100), slice(0, 4000)), Place("small", (2, 5), slice(4000, 4010)),
                       Place("bias", (1984,), slice(4016, 6000))))
RNG = np.random.default_rng(5)
BEFORE = np.zeros(6000, np.float32)
COMMON = np.zeros(6000, np.float32)
CLIENTS = np.zeros((5, 6000), np.float32)
ROWS = (3, 1, 4, 1, 5)
for place in LAYOUT.places:
    BEFORE[place.part] = RNG.standard_normal(place.part.stop - place.part.start)
    COMMON[place.part] = RNG.normal(0, 0.01, place.part.stop - place.part.start)
    CLIENTS[:, place.part] = (BEFORE + COMMON + RNG.normal(0, 0.01, CLIENTS.shape))[:, place.part]
LAST_BITS = 5e-7  # of numbers up to 4

#: Flags with which a client that is alone, or like all others, is the result. None: with none, since a step is as long
#: as the server's learning rate says (fedadam and its like), or a matrix's singular values are others (iso_c, tsv_m).
ITSELF: dict[str, dict[str, Any] | None] = {
    "fedadam": None, "fedyogi": None, "fedadagrad": None, "iso_c": None, "tsv_m": None,
    "nesterov": {"server_lr": 1.0, "server_momentum": 0.0}, "ema": {"share": 1.0}, "ties": {"density": 1.0},
    "dare": {"density": 1.0}, "breadcrumbs": {"density": 1.0, "outliers": 0.0},
}
#: of whose sum the scale is a part: 1/K is that of the mean
SUMS = ("breadcrumbs", "task_arithmetic")
#: not the same when clients change places: what is dropped is drawn for each client
DRAWN = ("dare",)
#: the same bits in other windows, though they look before they merge: what they add up are whole numbers
COUNTED = ("breadcrumbs", "ties")


def method(name: str, **flags: object) -> Strategy:
    cls = STRATEGIES.load(name)
    return cls(cls.Flags(**flags), LAYOUT)


def names() -> Iterator[str]:
    for name in STRATEGIES.names():
        if STRATEGIES.load(name).group != "adapters" and method(name).returned == 1:
            yield name


NAMES = [*names()]


@pytest.mark.parametrize("n_clients", [1, 5])
@pytest.mark.parametrize("name", [name for name in NAMES if ITSELF.get(name, {}) is not None])
def test_a_client_alone_or_like_all_others_is_the_result(name, n_clients):
    own = method(name, **(ITSELF.get(name) or {}), **({"scale": 1 / n_clients} if name in SUMS else {}))
    found = once(own, BEFORE, [CLIENTS[0]] * n_clients, ROWS)
    np.testing.assert_allclose(found, CLIENTS[0], rtol=0, atol=LAST_BITS)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in DRAWN])
def test_the_clients_order_changes_last_bits_only(name):
    order = [3, 0, 4, 2, 1]
    found = once(method(name), BEFORE, CLIENTS[order], [ROWS[k] for k in order])
    np.testing.assert_allclose(found, once(method(name), BEFORE, CLIENTS, ROWS), rtol=0, atol=LAST_BITS)


@pytest.mark.parametrize("name", NAMES)
def test_the_clients_rows_count_where_a_method_says_that_they_do(name):
    alike = once(method(name), BEFORE, CLIENTS, [1] * len(CLIENTS))
    assert np.array_equal(once(method(name), BEFORE, CLIENTS, ROWS), alike) != method(name).weighted


@pytest.mark.parametrize("name", NAMES)
def test_threads_change_no_bit_and_windows_at_most_the_last_ones(name, monkeypatch):
    found = []
    for threads, window in ((1, 6000), (1, 512), (4, 512)):
        monkeypatch.setattr("engine.flower_strategy.usable_cores", lambda threads=threads: threads)
        monkeypatch.setattr("engine.merging.WINDOW", window)
        monkeypatch.setattr("utils.vectors.transport.WINDOW", window)
        found.append(once(method(name), BEFORE, CLIENTS, ROWS))
    whole, cut, threaded = found
    assert np.array_equal(cut, threaded)
    np.testing.assert_allclose(whole, cut, rtol=0, atol=LAST_BITS)
    if name in COUNTED or not method(name).looks and not method(name).whole:
        assert np.array_equal(whole, cut)


@pytest.mark.parametrize("name", NAMES)
def test_what_lies_between_tensors_stays_zero(name):
    assert not once(method(name), BEFORE, CLIENTS, ROWS)[4010:4016].any()
