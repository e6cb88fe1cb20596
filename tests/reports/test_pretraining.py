"""What models were pre-trained with: the table, a run's own card, and the published figure."""

import json
import math

import pytest

from reports.pretraining import TABLE, Pretraining, known_models, pretraining, published_points
from reports.runs import read_run
from tests.reports.toy_ladder import card
from tests.reports.toy_records import write_run
from utils.errors import UserError

CARD = card(1_000_000) | {"flops": 6e12, "body_parameters": 400_000, "sequences": 50_000}


def of_run(folder, **given):
    return pretraining(read_run(write_run(folder, "iid", 1, (0.5,), **given)), known_models())


def test_the_published_models_have_the_published_computes():
    """So that a user's own runs of these lie where the paper has them."""
    known, points = known_models(), {point.model: point for point in published_points()}
    for published, name in (("bert-base", "bert-base-uncased"), ("bert-large", "bert-large-uncased"),
                            ("roberta-base", "roberta-base"), ("roberta-large", "roberta-large")):
        assert math.isclose(known[name].figure_1, points[published].compute, rel_tol=0.005)
    computes = [point.compute for point in published_points()]
    assert computes == sorted(computes) and len(computes) == 6
    assert points["roberta-large"].gains == {"iid": 1.71, "noniid": 1.43}


def test_a_family_of_checkpoints_has_a_budget_for_each():
    known = known_models()
    assert len([name for name in known if name.startswith("multiberts-seed_3-step_")]) == 29
    assert known["multiberts-seed_4-step_20k"] == Pretraining(6.0 * 110e6 * 20_000 * 256 * 512,
                                                              6 * 85e6 * 20_000 * 256 / 1e15)
    assert known["multiberts-seed_0-step_0k"].flops == 0
    assert known["multiberts-seed_0-step_2000k"] == known["multiberts-step_2000k"] == known["multiberts-seed_0"]
    assert known["roberta-base-100m-2"].words == known["roberta-base-100m"].words == 1e8
    assert known["roberta-base-100m"].flops is None
    assert math.isclose(known["bert-base-uncased"].flops, 6 * 110e6 * 131e9)


def test_no_model_is_in_the_table_twice():
    names = [name.format(k=thousands).lower() for entry in json.loads(TABLE.read_bytes())["models"]
             for thousands in entry.get("thousands", [1]) for name in entry["names"]]
    assert len(set(names)) == len(names)


def test_a_runs_own_card_comes_first(tmp_path):
    assert of_run(tmp_path / "a", model="bert-base-uncased", facts={"pretraining": CARD}) == Pretraining(6e12, 1.2e-4)
    assert of_run(tmp_path / "b", model="x/bert-base-uncased@main", facts={"pretraining": None}).figure_1 == 130.56
    assert of_run(tmp_path / "c", model="bert-base-uncased", random_init=True) == Pretraining(0, 0)
    assert "a part of a model" in of_run(tmp_path / "d", model="bert-base-uncased", layers=2)
    facts = {"pretraining": CARD}  # of 2 layers
    assert "a part of a model" in of_run(tmp_path / "f", model="m", layers=1, facts=facts)
    assert of_run(tmp_path / "g", model="m", layers=2, facts=facts).flops == 6e12
    assert of_run(tmp_path / "e", model="unheard") == "its pre-training compute is not in reports/pretraining.json"


@pytest.mark.parametrize("spoilt, message", [
    ([], "must be a JSON object"), (CARD | {"flops": "many"}, "'flops' is 'many'"),
    ({"objective": "mlm"}, "lacks 'tokens'"), (CARD | {"domains": [1]}, "domains must hold texts"),
    (CARD | {"sequences": -1}, "'sequences' is below 0")])
def test_a_spoilt_card_names_its_file(tmp_path, spoilt, message):
    with pytest.raises(UserError, match=f"a/config.json: pretraining: {message}"):
        of_run(tmp_path / "a", facts={"pretraining": spoilt})
