"""Multi-Krum's own checks; its arithmetic is in test_krum.py."""

import pytest

from strategies.multi_krum import MultiKrum
from utils.errors import UserError


def test_more_to_keep_than_clients_is_an_error_and_keeping_all_is_said(monkeypatch, caplog):
    monkeypatch.setattr("utils.console.NOTES.propagate", True)
    with pytest.raises(UserError, match="--keep 6: a round may have 5 clients only"):
        MultiKrum.check(MultiKrum.Flags(keep=6), 5)
    MultiKrum.check(MultiKrum.Flags(), 5)
    assert not caplog.messages
    MultiKrum.check(MultiKrum.Flags(), 4)
    assert caplog.messages == ["--strategy multi_krum keeps all of 4 clients: this is their plain mean"]
