"""A model's body, an encoder without a head, as transformers loads it from a folder of safetensors."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModel, PreTrainedModel

from utils.model.byte_order import without_marks
from utils.model.loading import load_errors, quiet
from utils.model.model_config import load_config
from utils.model.trust import HERE_ONLY, safetensors_only


def load_body(asked: str, folder: Path) -> tuple[PreTrainedModel, Mapping[str, Any]]:
    """Return (the body in a folder, float32 and in evaluation mode; transformers' loading info, for `check_weights`).

    `asked`: what messages call it. Raises UserError, one line, for a folder that does not load.
    """
    with load_errors(asked), safetensors_only(asked), quiet(), without_marks(str(folder)) as path:
        model, found = AutoModel.from_pretrained(
            path, config=load_config(asked, path), dtype=torch.float32, use_safetensors=True,
            ignore_mismatched_sizes=True, output_loading_info=True, **HERE_ONLY)
    return model.eval(), found
