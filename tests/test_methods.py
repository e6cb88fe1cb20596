"""Methods of every kind through whole runs: one worker or two, a worker killed, the run killed and resumed.

SCAFFOLD, which the project does not have, is one file here in a copy of the tree: it uses all hooks that move vectors.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import copied_tree
from tests.processes import command, finish, kill, model, newest, wait_until, workers
from tests.tiny import tiny_once
from tests.toy import toy_table

SCAFFOLD = '''"""SCAFFOLD (Karimireddy et al. 2020, arXiv:1910.06378, algorithm 1, option II)."""

from collections.abc import Sequence
from typing import Any

from strategies import Array, Participant, Round, Strategy, Term


class Scaffold(Strategy):
    """Clients correct each gradient by c - c_k; the server takes the plain means of models and of changes of c_k."""

    sent = returned = 2
    server_vectors = client_vectors = 1

    def weight(self, participant: Participant) -> float:
        return 1.0

    def term(self, received: Sequence[Any], own: Sequence[Any]) -> Term:
        (start, c), (c_k,) = received, own

        def returned(values: Any, travelled: float) -> list[Any]:
            change = (start - values) / travelled - c
            c_k.add_(change)
            return [change]

        return Term(gradient=lambda values, place: c[place] - c_k[place], returned=returned)

    def step(self, round: Round, window: slice, before: Array, mean: Any, kept: Sequence[Array]) -> None:
        kept[0] += mean[1] * (len(round.participants) / round.n_clients)
'''
METHODS = {  # of each kind: one that needs client states and two vectors, one that needs all updates at once
    "scaffold": "--strategy scaffold --n_clients 5 --frac_fit 0.6",
    "trimmed_mean": "--strategy trimmed_mean --n_clients 5 --min_success 4",
}
LONG = "--max_length 32 --batch_size 4 --n_iterations 8 --skip_evalnum 8"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Rows and a model, a copy of the project with SCAFFOLD, and start(name, flags) of a run in it."""
    base = tmp_path_factory.mktemp("methods")
    toy_table(base / "data")
    tiny_once(base, "bert")
    tree = copied_tree(tmp_path_factory.mktemp("tree"))
    (tree / "strategies" / "scaffold.py").write_text(SCAFFOLD, encoding="utf-8")

    def start(name: str, flags: str) -> subprocess.Popen:
        words = command(base, name, f"{LONG} {flags}").split()
        return subprocess.Popen([sys.executable, *words], cwd=tree, text=True, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, env={**os.environ, "HF_HUB_OFFLINE": "1"})
    return base, start


def whole(process: subprocess.Popen, folder: Path) -> bytes:
    """Return the weights of a run that must end well."""
    done = finish(process)
    assert done.returncode == 0, done.stderr[-3000:]
    return model(folder)


@pytest.mark.parametrize("method", METHODS)
def test_a_kill_a_resume_and_the_number_of_workers_change_no_bit(place, method):
    base, start = place
    flags = METHODS[method]
    alone = whole(start(f"{method}-alone", f"{flags} --n_workers 1 --transport message"), base / f"{method}-alone")

    killed = start(f"{method}-killed", flags)
    wait_until(lambda: newest(base / f"{method}-killed") >= 2 and workers(killed.pid), killed)
    kill(workers(killed.pid)[0])
    assert whole(killed, base / f"{method}-killed") == alone

    resumed = base / f"{method}-resumed"
    cut_off = start(resumed.name, flags)
    wait_until(lambda: newest(resumed) >= 3, cut_off)
    kill(cut_off.pid)
    cut_off.communicate()
    assert not (resumed / "summary.json").exists()
    assert whole(start(resumed.name, f"{flags} --resume"), resumed) == alone
