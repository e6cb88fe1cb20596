"""What the config.json of a model that lies here says of its layers; all others are looked at when they are loaded."""

import json

import pytest

from tests.loading import edit
from utils.config import RunConfig
from utils.errors import UserError
from utils.model.local import check_layers, local_folder

COMMIT = "0123456789" * 4


def refused(name, layers: int, commit: str = "") -> str:
    """Return the message of the UserError."""
    with pytest.raises(UserError) as caught:
        check_layers(RunConfig(model=str(name), layers=layers), commit)
    return str(caught.value)


def test_the_packaged_model_and_a_folder_say_how_many(copied):
    assert refused("minilm", 7) == "--layers 7: minilm has 6 layers; give 1 to 6, or 0 for all"
    folder = copied("bert")
    assert refused(folder, 3) == f"--layers 3: {folder} has 2 layers; give 1 to 2, or 0 for all"
    edit(folder, num_hidden_layers=1)
    assert refused(folder, 2) == f"--layers 2: {folder} has 1 layer; give 1, or 0 for all"
    for layers in (0, 1):
        check_layers(RunConfig(model=str(folder), layers=layers))


def test_a_copy_in_the_hub_s_cache_says_it_at_the_commit_that_is_meant(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    place = tmp_path / "models--some--model"
    for commit, layers in ((COMMIT, 4), (COMMIT[::-1], 5)):
        (place / "snapshots" / commit).mkdir(parents=True)
        (place / "snapshots" / commit / "config.json").write_text(json.dumps({"num_hidden_layers": layers}))
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text(COMMIT)
    assert "some/model has 4 layers" in refused("some/model", 9)
    assert "some/model has 5 layers" in refused("some/model", 9, COMMIT[::-1])
    assert f"some/model@{COMMIT[::-1]} has 5 layers" in refused(f"some/model@{COMMIT[::-1]}", 9)


@pytest.mark.parametrize("said", ["{", "[1]", "{}", '{"num_hidden_layers": "2"}', '{"n_layer": 2}',
                                  '{"num_hidden_layers": 2, "is_encoder_decoder": true}'])
def test_what_says_no_number_is_left_to_what_loads_the_model(said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.json").write_text(said)
    for name in (str(tmp_path), "no/such-model", "./nowhere", "", "a" * 300):
        check_layers(RunConfig(model=name, layers=9))
    assert local_folder(str(tmp_path)) == str(tmp_path) and local_folder("no/such-model") == ""
