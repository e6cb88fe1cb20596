"""By Flower's own commands: on a real SuperLink with two SuperNodes, and simulated, the app gives main_lm.py's bits."""

import json
import os
import socket
import subprocess
import sys
import tomllib
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from flwr.app import ConfigRecord, Context, RecordDict

from engine.supernodes import check_supernodes
from preprocess.common import load
from tests.conftest import ROOT
from tests.processes import descendants, finish, kill, model, outcome_of, start, wait_until
from tests.tiny import tiny_once
from tests.toy import toy_rows, toy_table
from utils.config import WITH_FLAGS, RunConfig
from utils.data.table import open_table, write_table
from utils.data.task import TaskSpec
from utils.errors import UserError
from utils.flags import values_of
from utils.flower_config import config_of
from utils.plugins import STRATEGIES

OWNERS = " or ".join(STRATEGIES.owners("server_lr"))

FLOWER = Path(sys.executable).parent
FLAGS = ("--max_length 32 --batch_size 8 --n_iterations 1 --transport message --n_workers 2 --n_clients 2 "
         "--strategy fedavgm --server_lr 0.5 --train lora")  # a SuperNode starts a process for each client and part


def free_port() -> int:
    """Return a port that no process listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextmanager
def running(log: Path, environment: dict[str, str], *words: object):
    """Run one of Flower's programs in the background; end it and all that it has started."""
    with log.open("w") as file:
        process = subprocess.Popen([FLOWER / words[0], *map(str, words[1:])], cwd=log.parent, env=environment,
                                   stdout=file, stderr=subprocess.STDOUT)
        try:
            yield process
        finally:
            for pid in [*descendants(process.pid), process.pid]:
                kill(pid)
            process.wait()


@contextmanager
def superlink(base: Path, *words: object):
    """Run a SuperLink; yield its process, its address and the environment that finds it."""
    port = free_port()
    environment = {**os.environ, "FLWR_HOME": str(base / "flower"), "FLWR_TELEMETRY_ENABLED": "0",
                   "FLWR_DISABLE_UPDATE_CHECK": "1", "RAY_USAGE_STATS_ENABLED": "0", "HF_HUB_OFFLINE": "1",
                   "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
                   "PATH": f"{FLOWER}:{os.environ['PATH']}"}
    (base / "flower").mkdir(exist_ok=True)
    (base / "flower" / "config.toml").write_text(
        f'[superlink]\ndefault = "here"\n[superlink.here]\naddress = "127.0.0.1:{port}"\ninsecure = true\n')
    with running(base / "superlink.txt", environment, "flower-superlink", "--insecure", "--host", "127.0.0.1", "--port",
                 port, "--disable-runtime-dependency-installation", *words) as process:
        wait_until(lambda: listens(port), process)
        yield process, f"127.0.0.1:{port}", environment


def listens(port: int) -> bool:
    """Return whether a server answers at the port."""
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0


def submit(base: Path, name: str, environment: dict[str, str], **flags: object) -> str:
    """Have the app run with a record in base/name; return what Flower printed of it."""
    flags = {"data": "rte", "data_dir": f"{base}/data", "model": f"{base}/tiny/bert", "run_dir": f"{base}/{name}",
             "lr": 1e-3, "precision": "fp32", "fp32_products": "torch", "seed": 4, "max_length": 32,
             "batch_size": 8, "n_iterations": 1, "n_clients": 2, "strategy": "fedavgm", "server_lr": 0.5,
             "train": "lora", **flags}
    words = " ".join(f"{key}={json.dumps(value)}" for key, value in flags.items())
    done = outcome_of([FLOWER / "flwr", "run", ".", "--stream", "--run-config", words], environment)
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """Return a folder with a table, a model and the record of main_lm.py's run."""
    base = tmp_path_factory.mktemp("app")
    toy_table(base / "data")
    toy_table(base / "others", 30, 12)
    tiny_once(base, "bert")
    done = finish(start(base, "typed", FLAGS))
    assert done.returncode == 0, done.stderr[-2000:]
    return base


def test_supernodes_give_the_bits_of_the_command_line(base):
    with ExitStack() as stack:
        link, address, environment = stack.enter_context(superlink(base))
        for k in range(2):
            words = ["flower-supernode", "--insecure", "--superlink", address, "--port", free_port()]
            stack.enter_context(running(base / f"supernode-{k}.txt", environment, *words))
        printed = submit(base, "sent", environment, transport="message", n_workers=2)
        assert (base / "sent" / "summary.json").exists(), printed[-3000:]
        assert model(base / "sent") == model(base / "typed")
        typed, sent = (json.loads((base / name / "summary.json").read_text()) for name in ("typed", "sent"))
        assert sent["test"] == typed["test"] and "round=1 split=test" in printed
        printed = submit(base, "refused", environment)
        assert "--transport reference: SuperNodes share no memory" in printed


def test_the_simulation_gives_the_bits_of_the_command_line(base):
    with superlink(base, "--simulation") as (_, _, environment):
        printed = submit(base, "simulated", environment)
        assert (base / "simulated" / "summary.json").exists(), printed[-3000:]
    assert model(base / "simulated") == model(base / "typed")


def test_a_node_with_other_rows_refuses_to_train(base):
    from clients.on_supernode import RUN_FACTS, client_of

    spec = load("rte").SPEC
    table = open_table(base / "data" / "rte", spec)
    facts = {"precision": "fp32", "fp32_products": "onednn", "run_dir": "", "scratch": "",
             "fingerprint": table.fingerprint, "commit": "1f2e", "frozen": "", "layout": "", "untied": "",
             "dropped": ""}
    config = RunConfig(data="rte", model=f"{base}/tiny/bert", data_dir=str(base / "data"))

    def client(*others: TaskSpec, **node_config: str):
        context = Context(1, 2, node_config, RecordDict({RUN_FACTS: ConfigRecord(facts)}), {})
        return client_of(context, config, spec, others)

    assert client().job.config.precision == "fp32" and client().job.commit == "1f2e"
    assert client().job.config.fp32_products == "onednn"  # the driver's choice, whatever is faster here
    with pytest.raises(UserError, match="others: has other rows of rte than the server"):
        client(data_dir=str(base / "others"))
    further = load("wnli").SPEC  # of --ood_data
    there = write_table(base / "data" / "wnli", further, {"dev": toy_rows(4, 1)}, "toy")
    facts["fingerprint"] += f" {there.fingerprint}"
    assert client(further).job.others == (further,)
    write_table(base / "data" / "wnli", further, {"dev": toy_rows(4, 2)}, "toy")
    with pytest.raises(UserError, match="data: has other rows of wnli than the server"):
        client(further)


@pytest.mark.parametrize("flags, message", [({}, "--transport reference"), (
    {"transport": "message", "optimizer_state": "keep"}, "--optimizer_state keep")])
def test_supernodes_share_no_disk_with_the_server(flags, message):
    check_supernodes(RunConfig(**flags), simulated=True)
    with pytest.raises(UserError, match=message):
        check_supernodes(RunConfig(**flags), simulated=False)


def test_pyproject_names_every_flag_with_its_default():
    """Flags of plug-ins as not given: they have the default of the chosen plug-in."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["flwr"]["app"]["config"]
    own = [flag for plugins in WITH_FLAGS for name in plugins.names() for flag in values_of(plugins.flags(name)())]
    wanted, found = ({f"{name} = {json.dumps(value)}" for name, value in config.items()}
                     for config in (dict.fromkeys(own, "") | values_of(RunConfig()), listed))
    assert sorted(wanted - found) == [], "lines that [tool.flwr.app.config] of pyproject.toml lacks"
    assert sorted(found - wanted) == [], "lines of [tool.flwr.app.config] in pyproject.toml that are of no flag"
    assert config_of(listed, ["sentiment"]) == RunConfig()
    for choice in ({"strategy": "fedadam"}, {"partitioner": "dirichlet"}, {"train": "lora"}):
        assert config_of(listed | choice, ["sentiment"]) == RunConfig(**choice)
    assert config_of(listed | {"train": "lora", "lora_r": 4}, ["sentiment"]).train_flags.lora_r == "4"
    assert config_of(listed | {"strategy": "fedadam", "server_lr": 1}, ["sentiment"]).strategy_flags.server_lr == 1.0


@pytest.mark.parametrize("run_config, message", [
    ({"moon": 1}, "--moon 1: no such flag"),
    ({"alpha": 1}, "--alpha 1: is a flag of --partitioner dirichlet; --partitioner lang_mix has no such flag"),
    ({"server_lr": 0.1, "alpha": ""}, f"--server_lr 0.1: is a flag of --strategy {OWNERS}"),
    ({"strategy": "fedadam", "server-lr": "fast"}, "--server_lr 'fast': must be of type float"),
    ({"strategy": "fedadam", "server_lr": 0}, "--server_lr 0.0: must be a number above 0"),
    ({"n_iterations": 2.5}, "--n_iterations 2.5: must be of type int"),
    ({"centralized": 1}, "--centralized 1: must be of type bool"),
    ({"lang-mix": 2}, "--lang_mix 2.0: must be a number from 0 to 1"),
    ({"data": "x"}, "--data x: no such task"),
])
def test_a_wrong_value_names_its_flag(run_config, message):
    with pytest.raises(UserError, match=message):
        config_of(run_config, ["sentiment"])
