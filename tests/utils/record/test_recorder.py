"""What background checkpoints rest on: nobody changes the model's memory before the last one is written."""

import errno
from concurrent.futures import Future
from threading import Thread
from types import SimpleNamespace

import pytest

from utils.record.recorder import Recorder


@pytest.fixture
def recorder():
    made = Recorder.__new__(Recorder)
    made.writing, made.read = Future(), []
    made.vector, made.read_global = SimpleNamespace(numpy=lambda: "the memory"), made.read.append
    return made


def test_the_model_changes_only_after_the_last_checkpoint_is_written(recorder):
    reader = Thread(target=recorder.read_model)
    reader.start()
    reader.join(0.1)
    assert reader.is_alive() and not recorder.read
    recorder.writing.set_result(None)
    reader.join(10)
    assert recorder.read == ["the memory"]


def test_what_the_disk_has_refused_is_raised(recorder):
    recorder.writing.set_exception(OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(OSError, match="No space"):
        recorder.read_model()
    assert not recorder.read
