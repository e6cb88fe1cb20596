"""A client on a node that Flower runs: it makes its own job from the run's flags and what its message tells."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from flwr.app import Context, Message

import preprocess.common as preprocess
from clients.lm_client import LMClient
from clients.worker import Job
from utils.data.table import open_table
from utils.errors import UserError
from utils.flower_config import config_of

TOLD = "job"  # the record of a message that tells about the run


@dataclass(frozen=True)
class NodeJob(Job):
    """A job for nodes that share no disk with the server: each takes the skeleton from the model that the flags name.

    Of the hub that is the model at the server's `commit`.
    """

    @property
    def skeleton(self) -> str:
        """The name of the model: its configuration and tokenizer are read, not its weights."""
        return self.config.load_model or self.config.model


def hear(message: Message, context: Context, call_next: Callable[[Message, Context], Message]) -> Message:
    """Keep what a message tells about the run where `client_of` finds it (a Flower mod)."""
    context.state[TOLD] = message.content.pop(TOLD)
    return call_next(message, context)


def client_of(context: Context) -> LMClient:
    """Return the client that does what a message asks for.

    A SuperNode's `--node-config 'data_dir="…"'` says where its own rows are. Raises UserError when they are others
    than the server's.
    """
    told = context.state[TOLD]
    config = config_of(context.run_config, preprocess.task_names())
    data_dir = Path(str(context.node_config.get("data_dir", config.data_dir))).resolve()
    config = replace(config, data_dir=str(data_dir), precision=str(told["precision"]))
    spec = preprocess.load(config.data).SPEC
    if open_table(data_dir / spec.name, spec).fingerprint != told["fingerprint"]:
        raise UserError(f"--data_dir {data_dir}: has other rows of {config.data} than the server")
    return LMClient(NodeJob(config, spec, str(told["scratch"]), str(told["run_dir"]), str(told["commit"])))
