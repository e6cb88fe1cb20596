"""What background checkpoints rest on: the model's memory changes only after the last one is written."""

import errno
from concurrent.futures import Future
from threading import Thread

import numpy as np
import pytest
import torch

from utils.record.averaged_model import AveragedModel
from utils.vectors.parameters import ParameterVector


class Vectors:
    """A global vector that is 1, 2, … everywhere: how often it has been read."""

    times = 0

    def read(self, out):
        self.times += 1
        out[:] = self.times


@pytest.fixture
def averaged():
    network = torch.nn.Linear(4, 4, bias=False)
    return AveragedModel(network, None, ParameterVector(network), Vectors())


def test_the_model_changes_only_after_the_last_checkpoint_is_written(averaged):
    averaged.read(1)
    averaged.lent = Future()
    reader = Thread(target=averaged.read, args=(2,))
    reader.start()
    reader.join(0.1)
    assert reader.is_alive() and (averaged.model.weight == 1).all()
    averaged.lent.set_result(None)
    reader.join(10)
    assert (averaged.model.weight == 2).all()


def test_a_round_is_read_once(averaged):
    assert np.array_equal(averaged.read(0), averaged.read(0)) and averaged.vectors.times == 1
    averaged.read(1)
    assert averaged.vectors.times == 2


def test_what_the_disk_has_refused_is_raised(averaged):
    averaged.lent = Future()
    averaged.lent.set_exception(OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(OSError, match="No space"):
        averaged.read(1)
    assert not averaged.vectors.times
