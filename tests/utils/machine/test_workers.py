"""How many workers a machine gets."""

import pytest

from utils.config import RunConfig
from utils.errors import UserError
from utils.machine.workers import check_machine, machine_for, usable_cores


def test_workers_fill_the_cores_but_are_no_more_than_the_clients():
    cores = usable_cores()
    assert machine_for(RunConfig(), 1000).workers == cores
    assert machine_for(RunConfig(), 1).workers == 1
    assert machine_for(RunConfig(n_cpu=cores), 1000).workers == 1
    assert machine_for(RunConfig(n_cpu=0.5), 1000).workers == 2 * cores
    assert machine_for(RunConfig(n_workers=7), 2).workers == 7


@pytest.mark.parametrize("flags", [{"n_cpu": 4096.0}, {"n_gpus": 64}])
def test_what_the_machine_has_not_is_an_error(flags):
    with pytest.raises(UserError, match=f"--{next(iter(flags))} .*this machine has"):
        check_machine(RunConfig(**flags))
