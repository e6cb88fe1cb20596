"""Downloads from a hub on loopback that stall, and other servers in its place: the cause, and what the cache serves."""

import threading
import time

import pytest

from tests.hub.answers import Answer
from tests.loading import loaded, refused
from tests.tiny import RTE
from utils.hub import reading
from utils.model import loading


@pytest.fixture
def folder(copied):
    """A tiny model's files, to be changed."""
    return copied("bert")


def load(name: str) -> str:
    """Return the commit that a model is of."""
    return loading.commit_of(loaded(name, RTE, max_length=32)[0])


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
    assert time.monotonic() - began < 10 and load(f"tiny/bert@{first}") == first
    for thread in threading.enumerate():  # what is still on its way is not to meet the next test's hub
        if thread.name == "hub":
            thread.join()


def test_a_download_that_goes_on_may_take_longer_than_a_stall(hub, folder, endpoint, monkeypatch):
    commit = hub.add_model("tiny/bert", folder)
    hub.fault("GET /tiny/bert/resolve", delay=0.4)
    monkeypatch.setattr(reading, "SECONDS_TO_STALL", 2)
    assert load("tiny/bert") == commit


def test_what_is_not_there_on_another_server_says_nothing_of_the_hub(hub, folder, endpoint, monkeypatch, caplog):
    """A proxy's or a router's 404 has no code of the hub's."""
    commit = hub.add_model("tiny/bert", folder)
    load("tiny/bert")
    page = Answer(404, b"<html>no such page</html>", {"Content-Type": "text/html"})
    monkeypatch.setattr("tests.hub.server.answer", lambda *of: page)
    assert load("tiny/bert") == commit
    assert "cannot be reached: it answers 404 Not Found: going on with the copy in the cache" in caplog.text
