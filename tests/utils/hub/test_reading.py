"""Models of a hub on loopback: which commit, which files, the cache where the hub is out of reach, and the causes."""

import io
import logging
import os
import socket
import time
from pathlib import Path

import huggingface_hub.constants
import pytest
import torch
from huggingface_hub.utils._xet_progress_reporting import XetDownloadProgressReporter

from tests.loading import loaded, refused
from tests.tiny import RTE
from utils.errors import UserError
from utils.hub import reading
from utils.hub_names import split_revision
from utils.machine.environment import check_variables
from utils.model import loading


@pytest.fixture
def folder(copied):
    """A tiny model's files, to be changed."""
    return copied("bert")


def load(name: str, **options) -> tuple[str, torch.Tensor]:
    """Return the commit and a weight of a model."""
    model, _ = loaded(name, RTE, max_length=32, **options)
    return loading.commit_of(model), model.bert.embeddings.word_embeddings.weight


def asked(hub) -> list[str]:
    """Return what the hub has been asked since the last call."""
    requests = [f"{request.method} {request.path}" for request in hub.requests]
    hub.requests.clear()
    return requests


def test_a_model_is_a_folder_of_what_is_needed_and_then_one_request(hub, folder, endpoint):
    (folder / "onnx").mkdir()
    for name in ("pytorch_model.bin", "tf_model.h5", "onnx/config.json", "model.fp16.safetensors", "training_args.bin"):
        (folder / name).write_bytes(b"not needed")
    commit = hub.add_model("tiny/bert", folder)
    assert load("tiny/bert")[0] == commit
    path = Path(loading.resolve("tiny/bert"))
    assert {file.name for file in path.rglob("*")} == {"config.json", "tokenizer.json", "tokenizer_config.json",
                                                       "model.safetensors"}
    asked(hub)
    assert load("tiny/bert")[0] == commit and asked(hub) == ["GET /api/models/tiny/bert"]
    assert load(f"tiny/bert@{commit}")[0] == commit and asked(hub) == []  # there is nothing to ask
    hub.aliases["bert"] = "tiny/bert"
    assert load("bert")[0] == commit


def test_random_weights_download_none(hub, folder, endpoint):
    hub.add_model("tiny/bert", folder)
    load("tiny/bert", random_init=True)
    assert not any("safetensors" in request for request in asked(hub))
    endpoint("http://127.0.0.1:9")
    load("tiny/bert", random_init=True)
    assert "lacks model.safetensors, and the hub (http://127.0.0.1:9) cannot be reached: " in refused("tiny/bert")


def test_a_model_in_parts(hub, folder, endpoint):
    model, _ = loaded(folder, RTE, max_length=32)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="60KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 2
    (folder / "consolidated.safetensors").write_bytes(b"the same in another form")
    hub.add_model("tiny/parts", folder)
    assert not (Path(loading.resolve("tiny/parts")) / "consolidated.safetensors").exists()
    assert torch.equal(load("tiny/parts")[1], model.bert.embeddings.word_embeddings.weight)
    next(folder.glob("model-*.safetensors")).unlink()
    hub.add_model("tiny/parts", folder)
    assert "model.safetensors.index.json names model-0" in refused("tiny/parts")


def test_branches_tags_commits_and_pull_requests(hub, folder, endpoint):
    first, before = hub.add_model("tiny/bert", folder, "v1.0"), load(str(folder))[1]
    other = loaded(folder, RTE, seed=1, max_length=32, random_init=True)[0]
    other.save_pretrained(folder)
    for revision in ("main", "refs/pr/1"):
        second = hub.add_model("tiny/bert", folder, revision)
    for revision, commit in ((first, first), ("v1.0", first), ("main", second), ("refs/pr/1", second)):
        found, weight = load(f"tiny/bert@{revision}")
        assert found == commit and torch.equal(weight, before) == (commit == first)
    assert load("tiny/bert@main", commit=first)[0] == first  # what a run began with goes first
    endpoint("http://127.0.0.1:9")
    assert load("tiny/bert@v1.0")[0] == first and load("tiny/bert")[0] == second
    assert "not in the local cache" in refused("tiny/bert@v2.0")


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
    ("", "tiny/adapter", "that is a PEFT adapter of 'tiny/bert', not a whole model"),
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
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "tiny/bert"}')
    hub.add_model("tiny/adapter", folder)
    monkeypatch.setenv("HF_TOKEN", token)
    assert refused(name).startswith(f"--model {name}: ") and words.format(url=hub.url) in refused(name)


def test_the_token_of_a_login_is_named_by_its_file(hub, folder, endpoint, monkeypatch, tmp_path):
    (tmp_path / "token").write_text("hf_gone")
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    hub.add_model("tiny/bert", folder)
    assert f"the hub does not accept the token of {tmp_path / 'token'}: " in refused("tiny/bert")


OUT_OF_REACH = {"refused": "Connection refused", "hang": "no answer within 0.", "slow": "no answer within 0.",
                "proxy": "Connection refused, by way of the proxy", "no proxy": "Unknown scheme for proxy URL",
                "502": "it answers 502 Bad Gateway", "429": "it answers 429 Too Many Requests",
                "page": "what answers there is no hub", "name": "cannot be reached: "}


@pytest.mark.parametrize("fault", OUT_OF_REACH)
def test_what_is_in_the_cache_serves_where_the_hub_does_not(hub, folder, endpoint, monkeypatch, caplog, fault):
    commit, url = hub.add_model("tiny/bert", folder), hub.url
    load("tiny/bert")
    monkeypatch.setattr(reading, "SECONDS_TO_ANSWER", 0.6)
    match fault:
        case "refused":
            url = "http://127.0.0.1:9"
        case "name":
            url = "https://hub.invalid"
        case "hang":
            hub.fault(".*", hang=True)
        case "slow":
            hub.fault(".*", delay=3)
        case "proxy" | "no proxy":
            monkeypatch.setenv("http_proxy", "http://127.0.0.1:9" if fault == "proxy" else "socks9://127.0.0.1:9")
            monkeypatch.setenv("no_proxy", "elsewhere")
            monkeypatch.setenv("NO_PROXY", "elsewhere")
        case "page":
            url = f"{hub.url}/nothing/like/a/hub"
            monkeypatch.setattr("tests.hub.server.answer", lambda *of: page())
        case _:
            hub.fault(".*", status=int(fault))
    endpoint(url)
    began = time.monotonic()
    with caplog.at_level("INFO", logger="lm"):
        assert load("tiny/bert")[0] == commit
    assert f"going on with the copy in the cache, commit {commit[:7]}" in caplog.text
    assert f"the hub ({url}) cannot be reached: " in caplog.text and OUT_OF_REACH[fault] in caplog.text
    endpoint(url, hub.folder / "empty")
    assert f"not in the local cache ({hub.folder}/empty), and the hub ({url}) cannot be" in refused("tiny/bert")
    assert time.monotonic() - began < 3
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert "not in the local cache" in refused("tiny/bert") and "HF_HUB_OFFLINE says not to ask" in refused("tiny/bert")


def page():
    """Return what a wireless network's log-in page answers to everything."""
    from tests.hub.answers import Answer

    return Answer(200, b"<html>Welcome to the library</html>", {"Content-Type": "text/html"})


def test_the_time_limit_is_that_of_the_whole_look(hub, folder, endpoint, monkeypatch):
    """Also where the name look-up hangs, for which the client has no limit."""
    hub.add_model("tiny/bert", folder)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *of, **options: time.sleep(5))
    assert reading.SECONDS_TO_ANSWER <= 10
    monkeypatch.setattr(reading, "SECONDS_TO_ANSWER", 0.5)
    began = time.monotonic()
    assert "no answer within 0.5 s" in refused("tiny/bert")
    assert "no answer within 0.75 s" in refused("tiny/bert@" + "0" * 40)
    assert time.monotonic() - began < 3


def test_the_time_limit_holds_where_the_hub_falls_silent_after_its_first_answer(hub, folder, endpoint, monkeypatch):
    hub.add_model("tiny/bert", folder)
    hub.fault("(GET|HEAD) .*(tree|resolve)", hang=True)
    assert 1.5 * reading.SECONDS_TO_ANSWER < 10
    monkeypatch.setattr(reading, "SECONDS_TO_ANSWER", 1)
    began = time.monotonic()
    assert "no answer within 1." in refused("tiny/bert")
    assert time.monotonic() - began < 5


def test_a_download_that_breaks_off_leaves_the_older_copy_the_one_to_go_on_with(hub, folder, endpoint, monkeypatch):
    first = hub.add_model("tiny/bert", folder)
    load("tiny/bert")
    (folder / "config.json").write_text((folder / "config.json").read_text() + "\n")
    loaded(folder, RTE, seed=1, max_length=32, random_init=True)[0].save_pretrained(folder)
    second = hub.add_model("tiny/bert", folder)
    hub.fault("GET /lfs/", status=403)
    message = refused("tiny/bert")
    assert "the download of model.safetensors broke off: it answers 403 Forbidden; what is whole stays in " in message
    endpoint("http://127.0.0.1:9")
    assert load("tiny/bert")[0] == first
    hub.faults.clear()
    endpoint(hub.url)
    hub.fault("GET /lfs/", drop=1000, times=1)  # once: the client goes on where it broke off
    assert load("tiny/bert")[0] == second


def test_a_cache_that_cannot_be_written_to_is_named(hub, folder, endpoint, tmp_path):
    hub.add_model("tiny/bert", folder)
    (tmp_path / "file").touch()
    endpoint(hub.url, tmp_path / "file" / "hub")
    assert "have HF_HOME name another folder" in refused("tiny/bert")


def test_a_cache_of_the_client_s_own_making_serves_too(hub, folder, endpoint):
    """transformers and datasets keep no list of a repository's files there."""
    commit = hub.add_model("tiny/bert", folder)
    for file in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
        huggingface_hub.hf_hub_download("tiny/bert", file)
    endpoint("http://127.0.0.1:9")
    assert load("tiny/bert")[0] == commit


def test_downloads_are_told(hub, folder, endpoint, monkeypatch, caplog):
    hub.add_model("tiny/bert", folder)
    monkeypatch.setattr(reading, "SECONDS_OF_SILENCE", 0)
    with caplog.at_level(logging.INFO, logger="lm"):
        load("tiny/bert")
    said = [record.message for record in caplog.records if record.message.startswith("tiny/bert: download")]
    assert len(said) == 2 and " kB in 4 file(s) of commit" in said[0] and said[0].endswith(f"{hub.folder}/hf/hub")
    assert said[1].endswith("B/s)")
    assert any("model.safetensors: 100%" in record.message for record in caplog.records)

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    endpoint(hub.url, hub.folder / "other")
    load("tiny/bert")
    assert "model.safetensors:   0%" in terminal.getvalue()
    with XetDownloadProgressReporter(reconstruction_desc="x", total=2_000_000, log_level=logging.INFO,
                                     tqdm_class=reading.bar_class("large.safetensors")) as xet:  # the hub's newer way
        xet.reconstruction_bar.update(1_000_000)
        assert xet.transfer_bar is xet.reconstruction_bar
        xet.reconstruction_bar.refresh()
    assert "large.safetensors:  50%" in terminal.getvalue() and "1.00M/2.00M" in terminal.getvalue()


def test_a_name_with_a_revision(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs@home").mkdir()
    assert split_revision("tiny/bert@v1.0") == ("tiny/bert", "v1.0")
    assert split_revision("bert@refs/pr/1") == ("bert", "refs/pr/1")
    for name in ("minilm", "tiny/bert", "tiny/bert@", "/my/files@work/bert", "a/b/c@d", "runs@home", "~/x@y"):
        assert split_revision(name) == (name, "")


@pytest.mark.parametrize("address", ["nonsense", "http://", "http://[::1", "http://host:port", "http://h:99999",
                                     "https://exa mple", "file:///etc", "localhost:80"])
def test_an_endpoint_that_is_none_is_one_line(monkeypatch, address):
    monkeypatch.setenv("HF_ENDPOINT", address)
    with pytest.raises(UserError, match="HF_ENDPOINT .* is no address of a hub"):
        check_variables()


def test_an_empty_endpoint_is_the_public_one(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "")
    check_variables()
    assert "HF_ENDPOINT" not in os.environ
