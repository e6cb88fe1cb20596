"""The card of a model of pretrain.py: read back as it was written, or refused by a line that names it."""

import json

import pytest

from utils.errors import UserError
from utils.model.pretraining import CARD, read_pretraining, sentence

GOOD = {"objective": "distillation", "seed": 1, "tokens": 1000123, "sequences": 41000, "parameters": 910000,
        "body_parameters": 396000, "flops": 6 * 910000 * 1000123, "teacher": "/home/me/minilm", "teacher_flops": 7,
        "domains": ["sentiment/movie"], "vocabulary": 4000, "layers": 2, "hidden": 128,
        "budget": 1000000, "asked": {"task": "sentiment", "lr": 0.001}}


def test_a_card_is_read_and_told_without_a_path(tmp_path):
    assert read_pretraining(tmp_path) is None
    (tmp_path / CARD).write_text(json.dumps(GOOD | {"a later entry": 1}))
    assert read_pretraining(tmp_path) == GOOD
    assert "distillation from `minilm`: 1,000,123 tokens of sentiment/movie" in sentence(GOOD)
    assert sentence(GOOD | {"tokens": 0}).startswith("Not pre-trained: random weights of seed 1")


@pytest.mark.parametrize("text", [
    "{", "[]", "{}", *(json.dumps(GOOD | wrong) for wrong in (
        {"tokens": "many"}, {"tokens": 1.5}, {"tokens": True}, {"flops": -1}, {"domains": "movie"}, {"domains": [1]},
        {"teacher": None}, {"asked": "all"}, {"budget": -1}))])
def test_a_spoilt_card_is_named(tmp_path, text):
    (tmp_path / CARD).write_text(text)
    with pytest.raises(UserError, match=f"{CARD}: is no card of pretrain.py .*remove the file"):
        read_pretraining(tmp_path)
