"""The names of models and data sets on the hub."""

from utils.config import RunConfig
from utils.hub_names import is_path, split_revision, with_layers


def test_a_name_with_a_revision(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs@home").mkdir()
    assert split_revision("tiny/bert@v1.0") == ("tiny/bert", "v1.0")
    assert split_revision("bert@refs/pr/1") == ("bert", "refs/pr/1")
    for name in ("minilm", "tiny/bert", "tiny/bert@", "/my/files@work/bert", "a/b/c@d", "runs@home", "~/x@y"):
        assert split_revision(name) == (name, "")


def test_a_model_whose_first_layers_are_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs@home").mkdir()
    for name, cut in (("minilm", "minilm-layers2"), ("tiny/bert@v1.0", "tiny/bert-layers2@v1.0"),
                      ("runs/a/", "runs/a-layers2"), ("runs@home", "runs@home-layers2")):
        assert (with_layers(name, 2), with_layers(name, 0)) == (cut, name)
    for flags in ({"model": "tiny/bert@v1.0"}, {"load_model": "log/bert/"}):
        assert RunConfig(layers=3, **flags).model_name == "bert-layers3"


def test_a_name_that_is_no_hub_id_is_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine" / "bert").mkdir(parents=True)
    assert all(map(is_path, ("", "mine/bert", "log/models/bert", "./bert", "../bert", "/bert", "~/bert")))
    assert not any(map(is_path, ("bert", "tiny/bert", "tiny/bert@refs/pr/1")))
