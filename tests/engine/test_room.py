"""The room for a run's vectors: how many there are at once, and what is said where they do not fit."""

import pytest

from engine import room
from engine.room import buffers, room_for
from utils.config import RunConfig
from utils.errors import UserError
from utils.plugins import STRATEGIES
from utils.vectors.layout import Layout, Place


def method(name, size=1000):
    return STRATEGIES.load(name)(STRATEGIES.load(name).Flags(), Layout(size, ()))


def test_a_mean_needs_few_buffers_and_all_updates_at_once_one_each():
    assert buffers(method("averaging"), 1000, 32, 2) == 40 + 2 + 4 + 6
    assert buffers(method("fedadam"), 3, 32, 2) == 3 + 2 + 2 + 6
    assert buffers(method("median"), 1000, 32, 2) == 1000 + 2 + 6
    assert buffers(method("averaging"), 1000, 32, 2, diagnosed=True) == 1000 + 2 + 1 + 4 + 6
    assert buffers(method("iso_c"), 9, 32, 2) == 9 + 2 + 1 + 8 + 6  # and the plain mean beside that of clients alike


HUGE = 1 << 50  # elements


@pytest.mark.parametrize("transport, words", [
    ("reference", r"too many \(.*too little room for the clients' buffers, .*; set TMPDIR to a folder with more\)"),
    ("message", "13510798.9 GB, more than the memory here")])
def test_too_little_room_names_the_strategy_that_holds_all_updates(transport, words):
    config = RunConfig(strategy="median", transport=transport)
    with pytest.raises(UserError, match=rf"^--strategy median: all 3 updates of a round at once are {words}; give "
                                        "another strategy, or a lower --frac_fit$"), \
            room_for(config, method("median", HUGE), 3, 2):
        pass


@pytest.mark.parametrize("transport, words", [
    ("reference", r"too many \(.*too little room.*\)"), ("message", "13510798.9 GB, more than the memory here")])
def test_too_little_room_for_all_updates_of_a_mean_names_what_keeps_them(transport, words):
    config = RunConfig(diagnose=2, val_ratio=0.2, transport=transport)
    with pytest.raises(UserError, match=f"^--diagnose 2: all 3 updates of a round at once are {words}; leave it out, "
                                        "or give a lower --frac_fit$"), \
            room_for(config, method("averaging", HUGE), 3, 2):
        pass


def test_a_mean_in_messages_needs_no_room():
    with room_for(RunConfig(transport="message"), method("averaging", HUGE), 3, 2) as folder:
        assert folder.is_dir()
    assert not folder.exists()
    with pytest.raises(UserError, match="^[^-].*too little room"), \
            room_for(RunConfig(), method("averaging", HUGE), 3, 2):
        pass


def test_an_error_inside_is_not_one_of_room(monkeypatch):
    with pytest.raises(UserError, match="^another$"), room_for(RunConfig(strategy="median"), method("median"), 3, 2):
        raise UserError("another")
    monkeypatch.setattr(room, "memory_limit", lambda: 11_999)
    with pytest.raises(UserError, match="12.0 kB, more than the memory"), \
            room_for(RunConfig(strategy="median", transport="message"), method("median"), 3, 2):
        pass


def test_a_model_that_cannot_be_measured_is_said_before_the_first_round(monkeypatch, caplog):
    monkeypatch.setattr("utils.console.NOTES.propagate", True)
    caplog.set_level("INFO")
    regmean, config = STRATEGIES.load("regmean"), RunConfig(strategy="regmean", transport="message")
    layout = Layout(64_000, (Place("wide", (64, 1000), slice(0, 64_000), 1),))
    of = regmean(regmean.Flags(), layout)
    with room_for(config, of, 3, 2):
        assert caplog.messages == ["--strategy regmean: whole tensors are worked on, which takes the driver up to "
                                   "6.1 MB beside the updates",
                                   "--strategy regmean: each client returns 10 vectors, 2.6 MB; 6.6 MB more while "
                                   "its model is measured"]
    monkeypatch.setattr(room, "memory_limit", lambda: 13_000_000)
    with pytest.raises(UserError, match=r"^--strategy regmean: to measure a model takes 6.6 MB, which 2 worker\(s\) "
                                        "have no memory for; give fewer by --n_workers, or another strategy$"), \
            room_for(config, of, 3, 2):
        pass


@pytest.mark.parametrize("name", ["iso_c", "tsv_m"])
def test_what_whole_tensors_take_is_said_and_refused_where_it_does_not_fit(name, monkeypatch, caplog):
    """Two tensors of 2 and 3 million elements, each a window of its own."""
    places = (Place("a", (2000, 1000), slice(0, 2_000_000)), Place("b", (1000, 3000), slice(2_000_000, 5_000_000)))
    cls = STRATEGIES.load(name)
    spectral, words = cls(cls.Flags(), Layout(5_000_000, places)), "takes the driver up to 72.0 MB beside the updates"
    monkeypatch.setattr("utils.console.NOTES.propagate", True)
    with caplog.at_level("INFO", "lm"), room_for(RunConfig(strategy=name), spectral, 3, 2):
        assert f"--strategy {name}: whole tensors are worked on, which {words}" in caplog.text
    monkeypatch.setattr(room, "memory_limit", lambda: 71_999_999)
    with pytest.raises(UserError, match=f"^--strategy {name}: .* {words}, more than the memory here; give another"), \
            room_for(RunConfig(strategy=name), spectral, 3, 2):
        pass
