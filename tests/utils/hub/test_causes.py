"""What a message says first: why a hub on loopback does not give a model, and what to do."""

import huggingface_hub.constants
import pytest

from tests.hub.answers import Answer
from tests.loading import loaded, refused
from utils.model import loading


@pytest.mark.parametrize(("token", "name", "words"), [
    ("", "tiny/gated", "access to it is granted one by one: ask for it on {url}/tiny/gated, then log in with `hf auth "
                       "login` or HF_TOKEN"),
    ("hf_other", "tiny/gated", "ask for it on {url}/tiny/gated, as the owner of the token of HF_TOKEN"),
    ("hf_gone", "tiny/gated", "the hub does not accept the token of HF_TOKEN"),
    ("hf_gone", "tiny/bert", "the hub does not accept the token of HF_TOKEN: it has expired, or is not whole; `hf auth "
                             "login` gives another, and what is public needs none"),
    ("hf_gone", "me/hidden", "the hub does not accept the token of HF_TOKEN"),
    ("", "me/hidden", "there is no {url}/me/hidden, or it is private and needs a token: `hf auth login` or HF_TOKEN"),
    ("hf_other", "me/hidden", "there is no {url}/me/hidden, or it is private and the token of HF_TOKEN may not read"),
    ("", "tiny/none", "there is no {url}/tiny/none, or it is private and needs a token"),
    ("hf_good", "tiny/none", "there is no {url}/tiny/none, or it is private and the token of HF_TOKEN may not read it"),
    ("", "tiny/bert@v9", "{url}/tiny/bert has no branch, tag or commit v9"),
    ("", "tiny/bert@" + "0" * 40, "has no branch, tag or commit 0000"),
    ("", "tiny/bert@../x", "../x is no branch, tag or commit"),
    ("", "tiny/bert@", "tiny/bert@ is neither a folder here nor a name on the hub; give minilm"),
    ("", "tiny bert", "tiny bert is neither a folder here nor a name on the hub; give minilm"),
    ("", "tiny/pickle", "its weights are a pickle"),
    ("", "tiny/empty", "{url}/tiny/empty has no such file: "),
    ("", "tiny/adapter", "a PEFT adapter of 'tiny/gone', which is not at hand: --model tiny/gone: there is no {url}/"),
])
def test_causes_come_first(hub, folder, endpoint, monkeypatch, token, name, words):
    for other, access in (("tiny/bert", {}), ("tiny/gated", {"gated": True}), ("me/hidden", {"private": True})):
        hub.add_model(other, folder, **access)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    hub.add_model("tiny/pickle", folder)
    for file in folder.iterdir():
        file.unlink()
    (folder / "model.safetensors").touch()
    hub.add_model("tiny/empty", folder)
    (folder / "model.safetensors").rename(folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA", "base_model_name_or_path": "tiny/gone"}')
    hub.add_model("tiny/adapter", folder)
    monkeypatch.setenv("HF_TOKEN", token)
    assert refused(name).startswith(f"--model {name}: ") and words.format(url=hub.url) in refused(name)


def test_the_token_of_a_login_is_named_by_its_file(hub, folder, endpoint, monkeypatch, tmp_path):
    (tmp_path / "token").write_text("hf_gone")
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    hub.add_model("tiny/bert", folder)
    assert f"the hub does not accept the token of {tmp_path / 'token'}: " in refused("tiny/bert")


def test_what_is_not_there_on_another_server_says_nothing_of_the_hub(hub, folder, endpoint, monkeypatch, caplog):
    """A proxy's or a router's 404 has no code of the hub's."""
    commit = hub.add_model("tiny/bert", folder)
    loaded("tiny/bert")
    page = Answer(404, b"<html>no such page</html>", {"Content-Type": "text/html"})
    monkeypatch.setattr("tests.hub.server.answer", lambda *of: page)
    assert loading.commit_of(loaded("tiny/bert")[0]) == commit
    assert "cannot be reached: it answers 404 Not Found: going on with the copy in the cache" in caplog.text
