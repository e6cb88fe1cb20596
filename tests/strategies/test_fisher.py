"""Fisher information against the Jacobian's closed form, for every kind of head; the merge against the formula."""

import numpy as np
import pytest
import torch

from strategies.fisher import Fisher
from tests.clients.test_probe import probed  # noqa: F401
from tests.strategies.rounds import LAYOUT, ROWS, SIZE, initial, play, server, updated


def test_it_is_the_closed_form_of_the_models_jacobian(probed):  # noqa: F811
    """Σ p·J² − (Σ p·J)² of the scores' rows J, over outcomes, which needs no gradient of log p; of one score J²."""
    trained, _, make = probed
    with make() as probe:
        mine, = Fisher(Fisher.Flags(probe_rows=3), trained.vector.layout).measured(probe)
    expected = torch.zeros_like(trained.vector.values, dtype=torch.float64)
    with make() as probe:
        for batch in probe.rows(3):
            scores = trained.head.scores(trained.model, batch)[0]
            rows = []
            for score in scores:
                trained.model.zero_grad()
                score.backward(retain_graph=True)
                row = torch.zeros_like(expected)
                for p, part in trained.vector.parts:
                    if p.grad is not None:
                        row[part] = p.grad.to_dense().flatten().double()
                rows.append(row)
            jacobian, p = torch.stack(rows), scores.softmax(-1).detach()[:, None]
            expected += (jacobian[0]**2 if len(rows) == 1 else (p * jacobian**2).sum(0) - (p * jacobian).sum(0)**2) / 3
    trained.model.zero_grad()
    # the closed form is a difference, so compare beside the largest
    torch.testing.assert_close(mine.double(), expected, rtol=1e-3, atol=1e-6 * float(expected.max()))
    assert (mine >= 0).all() and mine.max() > 0


@pytest.mark.parametrize("by_reference", [True, False])
def test_the_merge_is_the_formula_on_whole_vectors_and_the_mean_where_nothing_matters(tmp_path, by_reference):
    fisher = np.random.default_rng(3).uniform(0, 1e-4, (3, SIZE)).astype(np.float32)
    fisher[:, :100] = 0
    fisher[1:, 100:200] = 0
    models = np.array(updated(initial(), 1))
    mine = play(server(Fisher(Fisher.Flags(), LAYOUT), str(tmp_path) if by_reference else ""), 1, 1,
                lambda *_: list(zip(models, fisher))).vector
    weights = np.array(ROWS)[:, None] * fisher.astype(np.float64)
    weights[:, :100] = np.array(ROWS)[:, None]
    np.testing.assert_allclose(mine, (weights * models).sum(0) / weights.sum(0), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(mine[100:200], models[0][100:200], rtol=1e-6)


def test_equally_sure_clients_have_their_mean():
    models = updated(initial(), 1)
    mine = play(server(Fisher(Fisher.Flags(), LAYOUT)), 1, 1,
                lambda *_: [(model, np.full(SIZE, 0.5, np.float32)) for model in models]).vector
    np.testing.assert_allclose(mine, np.average(models, axis=0, weights=ROWS), rtol=1e-5, atol=1e-7)
