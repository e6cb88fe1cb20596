"""RegMean against the closed form in float64, on models and inputs of a tiny encoder and a decoder with Conv1D."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from engine.merging import windows_of
from strategies import Participant, Round
from strategies.regmean import RIDGE, RegMean
from tests.clients.test_probe import probed  # noqa: F401
from utils.vectors.layout import Layout, Place

ROWS = (3, 1, 4)  # of the clients


def played(method, before, clients):
    """Return the merged vector of `clients`, each what one returns: [vectors, n] float32."""
    means = [np.average(each, axis=0, weights=ROWS[:len(clients)]).astype(np.float32) for each in zip(*clients)]
    of = tuple(Participant(k, rows, 5) for k, rows in enumerate(ROWS[:len(clients)]))
    for window in windows_of(method):
        method.step(Round(1, 0, len(of), of, ROWS[:len(clients)]), window, before[window],
                    tuple(mean[window] for mean in means), [])
    return means[0]


@pytest.fixture(scope="module")
def measured(probed):  # noqa: F811
    """(method, the vector at first, what three clients return, each one's inputs by the number of the weight)."""
    trained, _, make = probed
    values = trained.vector.values
    method, first = RegMean(RegMean.Flags(probe_rows=0), trained.vector.layout), values.clone()
    clients, inputs = [], []
    for k in range(3):
        values.copy_(first)
        rng = torch.Generator().manual_seed(k)
        for _, part in trained.vector.parts:
            values[part] += 0.02 * torch.randn(part.stop - part.start, generator=rng)
        with make() as probe:
            probe.start = first
            clients.append([values.numpy().copy(), *(vector.numpy() for vector in method.measured(probe))])
        seen = {}
        with make() as probe:
            for batch in probe.rows(0):
                for number, x in probe.inputs(batch):
                    seen.setdefault(number, []).append(x.double().numpy())
        inputs.append({number: np.concatenate(all_of) for number, all_of in seen.items()})
    values.copy_(first)
    return method, first.numpy(), clients, inputs


def test_it_is_the_closed_form(measured):
    method, before, clients, inputs = measured
    assert all(len(client) == method.returned for client in clients)
    mine, tried = played(method, before, clients), 0
    for number, place in enumerate(method.layout.places):
        weights = [client[0][place.part].reshape(place.shape).astype(np.float64) for client in clients]
        expected = np.average(weights, axis=0, weights=ROWS)
        if place.inputs is not None and all(number in seen for seen in inputs):
            grams, products = 0, 0
            for rows, weight, seen in zip(ROWS, weights, inputs):
                gram = seen[number].T @ seen[number] / 6
                diagonal = np.diagonal(gram)
                gram = 0.9 * gram + np.diag(0.1 * diagonal + RIDGE * diagonal.mean())
                grams = grams + rows * gram
                products = products + rows * gram @ (weight if place.inputs == 0 else weight.T)
            solved = np.linalg.solve(grams, products)
            expected = solved if place.inputs == 0 else solved.T
            tried += 1
        np.testing.assert_allclose(mine[place.part].reshape(place.shape), expected, rtol=1e-3, atol=1e-5,
                                   err_msg=place.name)
    assert tried > 5


def test_one_client_and_identical_ones_give_the_client_itself(measured):
    method, before, clients, _ = measured
    for those in (clients[:1], [clients[0]] * 3):  # of 0.02; where a ReLU lets little through
        np.testing.assert_allclose(played(method, before, those), clients[0][0], atol=1e-4)


@pytest.mark.parametrize("gram_scale", [0.0, 0.9, 1.0])
def test_identical_clients_of_few_rows_are_the_client_whatever_the_scale(gram_scale):
    """100 inputs of a layer of 768, far from zero on the average: a plain Gram matrix is singular."""
    rng = np.random.default_rng(0)
    inputs = torch.from_numpy(1 + rng.standard_normal((100, 768))).float()
    layout = Layout(20 * 768, (Place("layer.weight", (20, 768), slice(0, 20 * 768), inputs=1),))
    before, update = rng.normal(0, 0.04, layout.size), rng.normal(0, 0.02, layout.size)
    probe = SimpleNamespace(start=torch.from_numpy(before).float(), values=torch.from_numpy(before + update).float(),
                            rows=lambda n: [None], inputs=lambda batch: [(0, inputs)])
    method = RegMean(RegMean.Flags(gram_scale=gram_scale), layout)
    client = [probe.values.numpy(), *(vector.numpy() for vector in method.measured(probe))]
    wrong = played(method, probe.start.numpy(), [[*map(np.copy, client)] for _ in range(2)]) - client[0]
    assert np.linalg.norm(wrong) < 0.01 * np.linalg.norm(update)


def test_it_says_what_measuring_takes(measured):
    method, before, _, _ = measured
    squares = sum(place.shape[place.inputs]**2 for place in method.layout.places if place.inputs is not None)
    assert method.measuring_bytes == 4 * (squares + method.returned * len(before))
