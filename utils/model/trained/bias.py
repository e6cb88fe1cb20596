"""BitFit: the bias terms are trained, and the head (Ben Zaken et al. 2022, arXiv:2106.10199)."""

from typing import TYPE_CHECKING

from utils.config import RunConfig
from utils.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def trained(model: "PreTrainedModel", head: list[str], config: RunConfig) -> list[str]:
    """Return all biases, those of normalisations among them, and the head. Raises UserError where the body has none."""
    biases = [name for name, _ in model.named_parameters() if name.endswith("bias") and name not in head]
    if not biases:
        raise UserError(f"--train bias: the body of a {model.config.model_type} model has no biases; "
                        "give --train all or lora")
    return biases + head
