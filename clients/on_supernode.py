"""A client on a node that Flower runs: it makes its own job from the run's flags and what its message brings."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from flwr.app import Context, Message

from clients.job import NodeJob
from clients.lm_client import LMClient
from utils.config import RunConfig
from utils.data.table import open_table
from utils.data.task import TaskSpec
from utils.errors import UserError

RUN_FACTS = "job"  # the record of a message that has what is decided of the run beside its flags


def keep_run_facts(message: Message, context: Context, call_next: Callable[[Message, Context], Message]) -> Message:
    """Keep what a message says of its run where `client_of` finds it (a Flower mod)."""
    context.state[RUN_FACTS] = message.content.pop(RUN_FACTS)
    return call_next(message, context)


def client_of(context: Context, config: RunConfig, spec: TaskSpec, others: tuple[TaskSpec, ...] = ()) -> LMClient:
    """Return the client that does what a message of the run `config` asks for; `others`: see `TaskData`.

    A SuperNode's `--node-config 'data_dir="…"'` says where its own rows are. Raises UserError when they are others
    than the server's.
    """
    facts = context.state[RUN_FACTS]
    data_dir = Path(str(context.node_config.get("data_dir", config.data_dir))).resolve()
    config = replace(config, data_dir=str(data_dir), precision=str(facts["precision"]),
                     fp32_products=str(facts["fp32_products"]))
    there = str(facts["fingerprint"]).split()
    for each, fingerprint in zip((spec, *others), there, strict=True):
        if open_table(data_dir / each.name, each).fingerprint != fingerprint:
            raise UserError(f"--data_dir {data_dir}: has other rows of {each.name} than the server")
    of_the_run = (str(facts[name]) for name in ("scratch", "run_dir", "commit", "fingerprint", "frozen", "layout",
                                                "untied", "dropped"))
    return LMClient(NodeJob(config, spec, *of_the_run, others=others))
