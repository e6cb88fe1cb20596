"""The names of models and data sets on the hub."""

from utils.hub_names import split_revision


def test_a_name_with_a_revision(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs@home").mkdir()
    assert split_revision("tiny/bert@v1.0") == ("tiny/bert", "v1.0")
    assert split_revision("bert@refs/pr/1") == ("bert", "refs/pr/1")
    for name in ("minilm", "tiny/bert", "tiny/bert@", "/my/files@work/bert", "a/b/c@d", "runs@home", "~/x@y"):
        assert split_revision(name) == (name, "")
