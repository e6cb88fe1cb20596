"""A linear probe: the head alone is trained, with the pooler that it reads (Alain & Bengio 2016, arXiv:1610.01644)."""

from typing import TYPE_CHECKING

from utils.config import RunConfig
from utils.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def trained(model: "PreTrainedModel", head: list[str], config: RunConfig) -> list[str]:
    """Return the head's parameters. Raises UserError for a language model whose head is its token embeddings."""
    if not head:
        raise UserError(f"--train head: the head of this {model.config.model_type} model is its table of token "
                        "embeddings, which its body reads, too; give --train all or lora")
    return head
