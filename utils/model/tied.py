"""Which weights of a model are one tensor: its configuration says so, but a checkpoint may have one for each.

transformers ties a T5 model's output layer to its embeddings whatever config.json says, and unties it where the weights
have two different tensors, as those of mT5, T5 v1.1 and FLAN-T5 do.
"""

from collections.abc import Iterable, Mapping

import torch
from transformers import PreTrainedModel


def untied(model: PreTrainedModel) -> list[str]:
    """Return the names of the weights that are tensors of their own, though the model's configuration ties them."""
    tensors = dict(model.named_parameters(remove_duplicate=False))
    return [name for name, other in tied(model).items() if tensors.get(name) is not tensors.get(other)]


def tied(model: PreTrainedModel) -> Mapping[str, str]:
    """Return the weights that a model's configuration ties to others, by name: {weight: the other}."""
    return model.get_expanded_tied_weights_keys(all_submodels=True)


def untie(model: PreTrainedModel, names: Iterable[str]) -> None:
    """Make the weights `names`, which are tied to others, tensors of their own with the same values, in place."""
    for name in names:
        module, _, weight = name.rpartition(".")
        parent = model.get_submodule(module)
        setattr(parent, weight, torch.nn.Parameter(getattr(parent, weight).detach().clone()))
