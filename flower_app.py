"""main_lm.py by Flower's own commands: the same run, as an app of SuperLink and SuperNodes or of Flower's simulation.

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


def with_run_facts(message: Message, context: Context, call_next: Callable[[Message, Context], Message]) -> Message:
    """Hand a message on as clients/on_supernode.py does; what it imports waits until there is one."""
    quiet_models()
    leave_out(EVERYWHERE)
    from clients.on_supernode import keep_run_facts

    return keep_run_facts(message, context, call_next)


def client_fn(context: Context) -> Client:
    """Return the client of one message."""
    import preprocess.common as preprocess
    from clients.on_supernode import client_of
    from utils.flower_config import config_of

    config = config_of(context.run_config, preprocess.task_names())
    return client_of(context, config, *preprocess.specs_of(config)).to_client()


server_app = ServerApp()
client_app = ClientApp(client_fn=client_fn, mods=[with_run_facts])


@server_app.main()
def main(grid: Grid, context: Context) -> None:
    """Run what the run's configuration asks for; a wrong one is one line, and the run's status is failed."""
    notes_to_stderr()
    leave_out(EVERYWHERE)
    from flwr.superlink.grid import InMemoryGrid

    import preprocess.common as preprocess
    from engine.supernodes import check_supernodes, grid_engine
    from main_lm import run
    from utils.errors import RoundFailed, UserError
    from utils.flower_config import config_of

    try:
        quiet_models()
        config = config_of(context.run_config, preprocess.task_names())
        check_supernodes(config, isinstance(grid, InMemoryGrid))
        run(config, partial(grid_engine, grid, config))
    except (UserError, RoundFailed) as error:
        NOTES.error("flower_app.py: %s", error)
        raise
