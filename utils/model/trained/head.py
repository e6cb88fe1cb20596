"""A probe: the head alone is trained, with the pooler that it reads (Alain & Bengio 2016, arXiv:1610.01644).

What the first layer of a head puts out may hardly differ from row to row: the pooler on the first layers of MiniLM has
deviations of 2e-4 around 0.06, and a few passes of AdamW see a constant. So a probe's features are standardised, as by
the batch normalisation without parameters before the probe of He et al. 2022 (arXiv:2111.06377, A.1). It is folded into
a new head's own weights, a data-dependent initialisation (Salimans & Kingma 2016, arXiv:1602.07868, section 3;
Krähenbühl et al. 2016, arXiv:1511.06856): the model's form stays as it is. Dropout in the body, and the steps of bf16,
are larger than such differences; so the body has no dropout, as in evaluation, and `--precision auto` is fp32.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from utils.config import RunConfig
from utils.errors import UserError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    Batch = Mapping[str, torch.Tensor]

PRECISION, BODY_TRAINS = "fp32", False
TINY = 1e-6  #: a smaller deviation, of outputs near 1, is float32's rounding


def trained(model: "PreTrainedModel", head: list[str], config: RunConfig) -> list[str]:
    """Return the head's parameters. Raises UserError for a language model whose head is its token embeddings."""
    if not head:
        raise UserError(f"--train head: the head of this {model.config.model_type} model is its table of token "
                        "embeddings, which its body reads, too; give --train all or lora")
    return head


def ready(model: "PreTrainedModel", head: list[str], batches: "Sequence[Batch]") -> str:
    """Standardise what the linear layers of a new head put out over `batches`, but for the last one's; in place.

    Layer after layer as they are applied, and unit by unit: weight ← weight / s, bias ← (bias − m) / s, where m and s
    are mean and standard deviation, from float32 outputs and in float64; s is TINY at least. A layer without biases,
    which cannot take m off, stays as it is; so does a head of one layer. `model` is in evaluation mode, `batches` are
    what it takes on its device. Returns a note that says what was done; "": nothing.
    """
    import torch

    layers = {name: module for name, module in model.named_modules()
              if isinstance(module, torch.nn.Linear) and f"{name}.weight" in head}
    if len(layers) < 2:
        return ""
    notes = []
    for name in [*outputs(model, layers, batches[:1])][:-1]:
        layer = layers[name]
        if layer.bias is None:
            continue
        found = outputs(model, {name: layer}, batches)[name]
        deviation, mean = torch.std_mean(found, 0, correction=0)
        constant, deviation = int((deviation < TINY).sum()), deviation.clamp(min=TINY)
        with torch.no_grad():
            layer.weight.copy_(layer.weight / deviation[:, None])
            layer.bias.copy_((layer.bias - mean) / deviation)
        few = f", {constant} of its {len(mean)} units hardly differ" if constant else ""
        notes.append(f"{name} (deviations were {deviation.median():.2g}{few})")
    return f"outputs of the head's {', '.join(notes)} are standardised" if notes else ""


def outputs(model: "PreTrainedModel", layers: "Mapping[str, torch.nn.Module]", batches: "Sequence[Batch]"
            ) -> "dict[str, torch.Tensor]":
    """Return what each of some `layers` puts out over `batches`, float64 [rows, units], in the order of application."""
    import torch

    found: dict[str, list[torch.Tensor]] = {}

    def keep(name: str, layer: torch.nn.Module, inputs: tuple, output: torch.Tensor) -> None:
        found.setdefault(name, []).append(output.double().flatten(0, -2))

    hooks = [layer.register_forward_hook(partial(keep, name)) for name, layer in layers.items()]
    try:
        with torch.inference_mode():
            for batch in batches:
                model(**batch)
    finally:
        for hook in hooks:
            hook.remove()
    return {name: torch.cat(parts) for name, parts in found.items()}
