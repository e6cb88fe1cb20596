"""A hub on loopback: which commit, what is downloaded, and what the cache serves where the hub is out of reach."""

import io
import logging
import socket
import threading
import time

import huggingface_hub.constants
import pytest
import torch
from huggingface_hub.utils._xet_progress_reporting import XetDownloadProgressReporter

from tests.loading import loaded, refused
from tests.tiny import RTE
from utils.hub import reading
from utils.model import loading


def load(name: str, **wanted) -> tuple[str, torch.Tensor]:
    """Return the commit and a weight of a model."""
    model, _ = loaded(name, RTE, max_length=32, **wanted)
    return loading.commit_of(model), model.bert.embeddings.word_embeddings.weight


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


def test_a_download_of_which_nothing_comes_ends_and_names_the_older_copy(hub, folder, endpoint, monkeypatch):
    first = hub.add_model("tiny/bert", folder)
    load("tiny/bert")
    loaded(folder, RTE, seed=1, max_length=32, random_init=True)[0].save_pretrained(folder)
    hub.add_model("tiny/bert", folder)
    hub.fault("GET /lfs/", delay=2)
    monkeypatch.setattr(reading, "SECONDS_TO_STALL", 0.5)
    began = time.monotonic()
    message = refused("tiny/bert")
    assert "the download of model.safetensors broke off: no answer within 0.5 s" in message
    assert message.endswith(f"try again, or name the commit that is there whole: @{first}")
    assert time.monotonic() - began < 10 and load(f"tiny/bert@{first}")[0] == first
    for thread in threading.enumerate():  # what is still on its way is not to meet the next test's hub
        if thread.name == "hub":
            thread.join()


def test_a_download_that_goes_on_may_take_longer_than_a_stall(hub, folder, endpoint, monkeypatch):
    commit = hub.add_model("tiny/bert", folder)
    hub.fault("GET /tiny/bert/resolve", delay=0.4)
    monkeypatch.setattr(reading, "SECONDS_TO_STALL", 2)
    assert load("tiny/bert")[0] == commit


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


def test_downloads_are_shown(hub, folder, endpoint, monkeypatch, caplog):
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
