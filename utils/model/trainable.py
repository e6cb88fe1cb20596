"""What of a model is trained: all of it, or what a file of utils/model/trained/ says; and what its head is."""

import torch
from transformers import PreTrainedModel

from utils.config import RunConfig
from utils.model.weights import in_body
from utils.plugins import TRAINED
from utils.seeds import torch_seed


def choose_trained(model: PreTrainedModel, config: RunConfig) -> str:
    """Let the parameters of `model` that `--train` names require a gradient, and no others, in place.

    Returns how many those are, in words; "" where all of the model's own are. What is drawn, as adapters, comes from
    (seed, "adapters"): the same bits in any process. Raises UserError for a model that has nothing of the kind.
    """
    if config.train == RunConfig.train:
        return ""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed(config.seed, "adapters"))
        names = {*TRAINED.load(config.train).trained(model, head_of(model), config)}
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in names)
    trained, plain = counts(model)
    head = sum(model.get_parameter(name).numel() for name in head_of(model))
    return f"--train {config.train}: {trained:,} parameters are trained (the model has {plain:,}), " + (
        f"{head:,} of them the head's" if head else "and no head, which is its table of token embeddings")


def begin_training(model: PreTrainedModel, config: RunConfig) -> None:
    """Put a model in training mode; its body in evaluation mode where the file of `--train` says so."""
    model.train()
    if config.train != RunConfig.train and not getattr(TRAINED.load(config.train), "BODY_TRAINS", True):
        for name, module in model.named_modules():
            module.training = in_head(model, name)


def counts(model: PreTrainedModel) -> tuple[int, int]:
    """Return how many parameters of a model are trained, and how many it has without adapters, tied ones once.

    The matrices beside adapters, which a strategy may move, are none that are trained.
    """
    sizes = {name: p.numel() for name, p in model.named_parameters()}
    return (sum(sizes[name] for name, p in model.named_parameters()
                if p.requires_grad and not name.endswith(".base_layer.weight")),
            sum(size for name, size in sizes.items() if ".lora_" not in name))


def head_of(model: PreTrainedModel) -> list[str]:
    """Return the names of the parameters of a model's head: what is outside its body, and the pooler that it reads.

    A language model's head that is its token embeddings has none: they are the body's.
    """
    return [name for name, _ in model.named_parameters() if in_head(model, name)]


def in_head(model: PreTrainedModel, name: str) -> bool:
    """Return whether `name` is a parameter of the head; a tied one goes by the name that it is asked for."""
    return not in_body(model, name) or "pooler" in name.split(".")
