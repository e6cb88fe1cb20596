"""The merged model's folder: weights made a window at a time, configuration, tokenizer; whole or not at all."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import torch

from engine.merging import Merged, merged
from merging.plan import Plan
from merging.tensors import NewFile, Tensor, layout_of
from merging.vectors import Measured, SavedVectors
from strategies import Strategy
from utils.config import RunConfig
from utils.machine.durable import system_errors
from utils.machine.workers import usable_cores
from utils.plugins import STRATEGIES
from utils.vectors.transport import WINDOW

ROOM = 1 << 24  # bytes of all models' windows, for each thread; a method may copy them a few times


def write_model(plan: Plan, config: RunConfig, folder: Path, strategy: str = "", measured: Measured | None = None
                ) -> Merged | None:
    """Merge by the method that `config` names, or by a `strategy` with its defaults, and write the model into `folder`.

    `measured`: what the method has measured of the models, if it does; their tensors are all merged then. The new
    model's numbers are float32, whatever the others' are. Returns what the merge has found; None where no tensor of the
    models is also the base's.
    """
    cls = STRATEGIES.load(strategy or config.strategy)
    flags = cls.Flags() if strategy else config.strategy_flags
    parts: list[tuple[type[Strategy], object, Mapping[str, tuple[Tensor, ...]]]] = [
        (cls, flags, plan.fitted.merged), (Strategy, Strategy.Flags(), plan.fitted.averaged)]
    tensors = plan.fitted.merged | plan.fitted.averaged | {
        key: (tensor,) for key, tensor in plan.fitted.copied.items()}
    out = NewFile(folder / "model.safetensors", {key: each[0].shape for key, each in tensors.items()})
    done = []
    for number, (made_by, own, part) in enumerate(parts):
        if part:
            layout = measured.layout if measured else layout_of((key, each[0].shape) for key, each in part.items())
            method = made_by(own, layout)
            based = plan.base is not None and not number
            names = [model.asked for model in (*plan.models, *([plan.base] if plan.base and based else []))]
            of_models = [*zip(*(part[place.name] for place in layout.places))]
            vectors = SavedVectors(layout, of_models, names, out, based, method.server_vectors, measured,
                                   f"--strategy {strategy or config.strategy}")
            done.append(merged(method, plan.round(method, config.seed), vectors, usable_cores(),
                               config.match_norm and not strategy and not number, window_for(vectors.nbytes)))
    copy(plan, out)
    write_beside(plan, folder)
    return done[0] if plan.fitted.merged else None


def window_for(nbytes: int) -> int:
    """Return how many elements are read at once, each `nbytes` of all models, so that these may be any number."""
    return max(1 << 10, min(WINDOW, ROOM // nbytes))


def copy(plan: Plan, out: NewFile) -> None:
    """Copy what the result has of one model alone."""
    copied = plan.fitted.copied
    if copied:
        layout = layout_of((key, tensor.shape) for key, tensor in copied.items())
        one = SavedVectors(layout, [[*copied.values()]], [plan.fitted.frame.asked], out)
        for start in range(0, layout.size, WINDOW):
            part = slice(start, min(start + WINDOW, layout.size))
            one.write(part, one.clients(part)[0])


def write_beside(plan: Plan, folder: Path) -> None:
    """Write the configuration and the tokenizer of the model that gives the result its frame."""
    frame = plan.fitted.frame
    frame.config.dtype = torch.float32
    with system_errors():
        frame.config.save_pretrained(folder)
        frame.tokenizer().save_pretrained(folder)
    generation = frame.folder / "generation_config.json"
    if generation.is_file():
        shutil.copyfile(generation, folder / generation.name)
