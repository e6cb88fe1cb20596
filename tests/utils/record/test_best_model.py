"""The best round: of equals the first, whatever process recorded it."""

import pytest
from safetensors.numpy import load_file

from tests.toy import toy_table
from utils.model import loading
from utils.record.averaged_model import AveragedModel
from utils.record.best_model import BestModel
from utils.vectors.parameters import ParameterVector


class Vectors:
    """A global vector that is the number of the round."""

    number = 0.0

    def read(self, out):
        out[:] = self.number


@pytest.fixture
def averaged(tiny, tmp_path):
    model, tokenizer = loading.load(loading.Wanted(str(tiny("bert")), seed=0, max_length=32), toy_table(tmp_path).spec)
    return AveragedModel(model, tokenizer, ParameterVector(model), Vectors())


@pytest.mark.parametrize("done", [0, 2])
def test_the_model_that_is_kept_is_the_first_of_the_best(averaged, tmp_path, done):
    scores = [0.5, 0.75, 0.5, None, 0.8, 0.8]
    rounds = [{"round": k, "seconds": {}, "test": {"f1": k}} | ({} if score is None else {"val": {"f1": score}})
              for k, score in enumerate(scores)]
    best = BestModel(averaged, "f1", tmp_path, rounds[:done])
    assert best.record is (rounds[1] if done else None)
    for record in rounds[done:]:
        averaged.vectors.number = float(record["round"])
        best.round(record)
    assert best.record is rounds[4]
    assert ["checkpoint" in record["seconds"] for record in rounds[2:]] == [False, False, True, False]
    weights = load_file(tmp_path / "best_model" / "model.safetensors")
    assert all((tensor == 4).all() for tensor in weights.values())


def test_the_best_round_is_known_where_no_model_is_kept(tmp_path):
    best, rounds = BestModel(None, "f1", tmp_path, []), [{"round": k, "val": {"f1": 1 - k}} for k in range(2)]
    for record in rounds:
        best.round(record)
    assert best.record is rounds[0] and not [*tmp_path.iterdir()]


def test_without_held_out_rows_there_is_none(averaged, tmp_path):
    best = BestModel(averaged, "f1", tmp_path / "none", [])
    best.round({"round": 0, "seconds": {}, "test": {"f1": 1.0}})
    assert best.record is None and not (tmp_path / "none").exists()
