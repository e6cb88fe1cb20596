"""A pretrained model's config.json, without what would change the form of the model's answers."""

from collections.abc import Iterator

import transformers
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig

from utils.errors import UserError, in_short
from utils.model.trust import HERE_ONLY, check_config


def load_config(asked: str, path: str) -> transformers.PreTrainedConfig:
    """Return the config of a model's folder, for a model that answers with its logits, whatever the batch.

    What a file asks for beside them (attentions, hidden states, tuples) goes, from the saved model too; the numbers
    stay. Raises: UserError when the file asks for what cannot be.
    """
    try:
        config = AutoConfig.from_pretrained(path, **HERE_ONLY)
    except (AttributeError, StrictDataclassError) as error:
        raise UserError(f"{asked}: transformers does not take its config.json ({in_short(error, 250)}); mend "
                        "or remove that key") from error
    written, _ = config.get_config_dict(path, **HERE_ONLY)
    if "id2label" not in written and written.get("label2id"):  # transformers would number the labels
        config.id2label = {int(i): str(name) for name, i in written["label2id"].items()}
    check_config(asked, config)
    if getattr(config, "quantization_config", None):
        raise UserError(f"{asked}: its weights are quantised (quantization_config in its config.json), and only "
                        "float32 ones can be trained and averaged; give the model that it was made of")
    positions = str(getattr(config, "position_embedding_type", None))
    if positions.startswith("relative") and not hasattr(type(config), "position_embedding_type"):
        raise UserError(f"{asked}: its config.json asks for {positions} positions (position_embedding_type), which "
                        f"transformers no longer has for a {config.model_type} model: without, it is another model")
    for part in parts(config):
        part.output_attentions = part.output_hidden_states = False
        part.return_dict = True
        part.chunk_size_feed_forward = 0  # the same sums a piece at a time, of lengths that a piece divides only
        vars(part).pop("torchscript", None)
        if "flash" in str(part._attn_implementation):  # the same sums by a package that need not be there
            part._attn_implementation = None
        if getattr(part, "attention_type", None) == "block_sparse":  # BigBird's, which a short batch ends for good
            part.attention_type = "original_full"
    return config


def parts(config: transformers.PreTrainedConfig) -> Iterator[transformers.PreTrainedConfig]:
    """Yield a config and the configs in it, as an encoder-decoder may have them."""
    yield config
    for name in config.sub_configs:
        part = getattr(config, name, None)
        if isinstance(part, transformers.PreTrainedConfig):
            yield from parts(part)
