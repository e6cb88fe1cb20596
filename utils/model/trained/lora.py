"""LoRA: low-rank products beside frozen matrices are trained, and the head (Hu et al. 2021, arXiv:2106.09685)."""

import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from utils.config import RunConfig
from utils.errors import UserError, in_short
from utils.flags import POSITIVE, flag
from utils.plugins import STRATEGIES

if TYPE_CHECKING:
    from transformers import PreTrainedModel

EVERY_LAYER = "all-linear"  # PEFT's word
#: the query and value projections of families that PEFT has no targets for, as their models name them
PROJECTIONS = (("query", "value"), ("q_lin", "v_lin"), ("q_proj", "v_proj"), ("query_proj", "value_proj"), ("q", "v"),
               ("q_head", "v_head"), ("Wqkv",), ("qkv_proj",), ("c_attn",))
RANKS = (lambda value: bool(re.fullmatch(r"[1-9]\d{0,3}(,[1-9]\d{0,3})*", value)),
         "a rank from 1 to 9999, or several as 4,8,16")
TARGETS = (lambda value: value in ("", EVERY_LAYER) or not {"", EVERY_LAYER} & {*value.split(",")},
           f"names joined by commas, as query,value, or {EVERY_LAYER} alone")


@dataclass(frozen=True)
class Flags:
    lora_r: str = flag("8", "rank of the adapters; with a strategy that mixes ranks one for each client, as 4,8,16, "
                            "from the first on again where there are more clients", valid=RANKS)
    lora_alpha: float = flag(16.0, "an adapter's product counts lora_alpha / lora_r times", valid=POSITIVE)
    lora_dropout: float = flag(0.0, "part of an adapter's inputs that is dropped in training",
                               valid=(lambda value: 0 <= value < 1, "a number from 0 to below 1"))
    lora_targets: str = flag("", "linear layers of the body that get an adapter, by the ends of their names, as "
                                 "query,value; or all-linear (default: the attention's queries and values)",
                             valid=TARGETS)

    def rank(self, client: int) -> int:
        """Return the rank of a client's adapters."""
        return ranks(self)[client % len(ranks(self))]

    def scale(self, client: int) -> float:
        """Return how many times the products BA of a client's adapters count."""
        return self.lora_alpha / self.rank(client)


def ranks(flags: Flags) -> tuple[int, ...]:
    """Return the clients' ranks, of which client k has number k modulo their number; the model has the largest."""
    return tuple(map(int, flags.lora_r.split(",")))


def trained(model: "PreTrainedModel", head: list[str], config: RunConfig) -> list[str]:
    """Put an adapter beside each target of `model`, by PEFT (its A drawn, its B zero); return what is trained.

    Tensors are named as PEFT does: MODULE.lora_A.default.weight [r, in], MODULE.lora_B.default.weight [out, r], and the
    target's own MODULE.base_layer.weight, which is among those returned where the strategy moves it. Raises UserError
    for targets that are not there.
    """
    from peft import LoraConfig, inject_adapter_in_model
    from transformers.pytorch_utils import Conv1D

    flags, method = config.train_flags, STRATEGIES.load(config.strategy)
    layers = targets(model, flags.lora_targets)
    check_ranks(model, layers, flags.lora_r)
    lora = LoraConfig(r=max(ranks(flags)), lora_alpha=flags.lora_alpha, lora_dropout=flags.lora_dropout,
                      target_modules=layers,
                      fan_in_fan_out=all(isinstance(model.get_submodule(name), Conv1D) for name in layers))
    with warnings.catch_warnings(action="ignore"):
        try:
            inject_adapter_in_model(lora, model)
        except ValueError as error:
            raise UserError(f"--train lora: PEFT cannot adapt this {model.config.model_type} model: {in_short(error)}; "
                            "give other --lora_targets") from None
    adapters = [name for name, _ in model.named_parameters() if ".lora_" in name]
    return adapters + head + [f"{name}.base_layer.weight" for name in layers if method.moves_base]


def check_ranks(model: "PreTrainedModel", layers: list[str], asked: str) -> None:
    """Raise UserError, naming a layer, for a rank that no product beside one of the `layers` can have."""
    sizes = {name: tuple(model.get_submodule(name).weight.shape) for name in layers}
    for rank in map(int, asked.split(",")):
        small = next((name for name in layers if min(sizes[name]) < rank), None)
        if small:
            raise UserError(f"--lora_r {asked}: {small} is a matrix of {' × '.join(map(str, sizes[small]))}, whose "
                            f"rank is {min(sizes[small])} at most; give no more than that, or other --lora_targets")


def targets(model: "PreTrainedModel", wanted: str) -> list[str]:
    """Return the names of the linear layers of the body that `--lora_targets` names ("": the family's own).

    Raises UserError for a name that is no linear layer's, and for a family whose own are not known.
    """
    import torch
    from peft.utils import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as OF_PEFT
    from transformers.pytorch_utils import Conv1D

    from utils.model.trainable import in_head

    linear = [name for name, module in model.named_modules()
              if isinstance(module, torch.nn.Linear | Conv1D) and not in_head(model, f"{name}.weight")]
    if wanted == EVERY_LAYER:
        return linear
    family = model.config.model_type
    if wanted:
        ends = tuple(wanted.split(","))
    else:
        known = (*filter(lambda own: isinstance(own, list), [OF_PEFT.get(family)]), *PROJECTIONS)
        ends = next((tuple(some) for some in known if all(matching(linear, end) for end in some)), ())
    missing = [end for end in ends if not matching(linear, end)]
    if missing or not ends:
        kinds = ", ".join(sorted({name.rpartition(".")[2] for name in linear}))
        wrong = f"--lora_targets {wanted}: no linear layer of the body is called {missing[0]!r}" if missing else \
            f"--train lora: what to adapt in a {family} model is not known; give --lora_targets"
        raise UserError(f"{wrong}; its linear layers are {kinds}")
    return [name for name in linear if any(matching([name], end) for end in ends)]


def matching(names: list[str], end: str) -> list[str]:
    """Return the `names` that are `end`, or end with it after a dot, as PEFT compares them."""
    return [name for name in names if name == end or name.endswith(f".{end}")]
