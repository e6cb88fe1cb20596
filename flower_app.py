"""Flower's own door to main_lm.py: the same run, as an app of SuperLink and SuperNodes or of Flower's simulation.

    flwr run . --stream --run-config 'lang_mix=0.99 n_iterations=3 transport="message"'

`pyproject.toml` names this file and holds every flag with its default; docs/flower.md says how to start the rest.
"""

from collections.abc import Callable
from functools import partial

from flwr.app import Context, Message
from flwr.client import Client
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp

from utils.console import NOTES, notes_to_stderr
from utils.machine.environment import EVERYWHERE, leave_out
from utils.machine.workers import quiet_models


def tell(message: Message, context: Context, call_next: Callable[[Message, Context], Message]) -> Message:
    """Hand a message on as clients/node.py does; what it imports waits until there is one."""
    quiet_models()
    leave_out(EVERYWHERE)
    from clients.node import hear

    return hear(message, context, call_next)


def client_fn(context: Context) -> Client:
    """Return the client of one message."""
    from clients.node import client_of

    return client_of(context).to_client()


server_app = ServerApp()
client_app = ClientApp(client_fn=client_fn, mods=[tell])


@server_app.main()
def main(grid: Grid, context: Context) -> None:
    """Run what the run's configuration asks for; a wrong one is one line, and the run's status is failed."""
    notes_to_stderr()
    leave_out(EVERYWHERE)
    from flwr.superlink.grid import InMemoryGrid

    import preprocess.common as preprocess
    from engine.supernodes import check_door, grid_engine
    from main_lm import run
    from utils.errors import RoundFailed, UserError
    from utils.flower_config import config_of

    try:
        quiet_models()
        config = config_of(context.run_config, preprocess.task_names())
        check_door(config, isinstance(grid, InMemoryGrid))
        run(config, partial(grid_engine, grid, context, config))
    except (UserError, RoundFailed) as error:
        NOTES.error("flower_app.py: %s", error)
        raise
