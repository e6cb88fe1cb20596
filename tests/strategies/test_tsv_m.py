"""TSV-Merge against NumPy's SVDs of each matrix in float64, and what it promises."""

import numpy as np
import pytest

from engine.merging import Updates, merged
from strategies import Participant, Round
from strategies.tsv_m import TsvM
from tests.strategies.matrices import LAYOUT, made_of, vectors
from tests.strategies.rounds import ROWS
from utils.vectors.transport import Transport


def defined(before, clients, scale):
    """Return the merged vector by the paper's algorithm 1, float64."""
    new = np.mean(clients, axis=0, dtype=np.float64)
    for place in LAYOUT.places:
        if len(place.shape) == 2:
            kept = max(1, min(place.shape) // len(clients))
            lefts, values, rights = [], [], []
            for client in clients:
                delta = (client[place.part].astype(np.float64) - before[place.part]).reshape(place.shape)
                left, sizes, right = np.linalg.svd(delta, full_matrices=False)
                lefts.append(left[:, :kept])
                values.extend(sizes[:kept])
                rights.append(right[:kept])
            (p, _, q), (r, _, s) = (np.linalg.svd(each, full_matrices=False)
                                    for each in (np.hstack(lefts), np.vstack(rights)))
            new[place.part] = before[place.part] + scale * (p @ q @ np.diag(values) @ r @ s).ravel()
    return new


@pytest.mark.parametrize("scale", [1.0, 0.3])
@pytest.mark.parametrize("by_reference", [True, False])
def test_it_is_the_published_algorithm(tmp_path, scale, by_reference):
    before, clients = vectors(len(ROWS))
    made = made_of(TsvM(TsvM.Flags(scale), LAYOUT), before, clients, str(tmp_path) if by_reference else "")
    np.testing.assert_allclose(made, defined(before, clients, scale), rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("seed", [0, 1])
def test_one_client_is_the_client_itself(tmp_path, seed):
    before, clients = vectors(1, seed)
    assert np.abs(one_merge(tmp_path, before, clients) - clients[0]).max() < 1e-6


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_change_no_bit_and_an_order_of_clients_only_last_ones(tmp_path, threads):
    before, clients = vectors(4)
    alone = one_merge(tmp_path, before, clients)
    assert np.array_equal(one_merge(tmp_path, before, clients, threads), alone)
    np.testing.assert_allclose(one_merge(tmp_path, before, clients[::-1]), alone, rtol=1e-4, atol=2e-6)


def one_merge(folder, before, clients, threads=1):
    """Return the vector that a merge makes."""
    transport = Transport(str(folder), LAYOUT.size)
    sent = [transport.views(transport.send(f"client-{k}", client)) for k, client in enumerate(clients)]
    updates = Updates(sent, [transport.send("global-0", before)], transport.buffer("global-1"), transport)
    alike = tuple(Participant(k, 1, 1) for k in range(len(clients)))
    merged(TsvM(TsvM.Flags(), LAYOUT), Round(1, 0, len(clients), alike, (1.0,) * len(clients)), updates, threads)
    return transport.receive(updates.out).copy()
