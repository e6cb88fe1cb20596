"""A model of the hub as a folder: which files of its repository are needed."""

import re
from pathlib import Path

from utils.hub.reading import open_snapshot
from utils.hub.repository import Repository
from utils.model.trust import check_weight_names

WEIGHTS = "model.safetensors"
SHARD = re.compile(r"model-\d+-of-\d+\.safetensors")  # as transformers names a part of them
TEXT = (".json", ".txt", ".model", ".jinja")  # what configurations and tokenizers are written in


def model_folder(asked: str, name: str, revision: str, weights: bool) -> Path:
    """Return a folder with a hub model's configuration and tokenizer, and with its `weights` if they are wanted.

    `asked` is the flag with its value, for messages. Raises UserError as `open_snapshot` and `Snapshot.fetch` do, and
    when there are no safetensors.
    """
    found = open_snapshot(Repository("model", name, revision, asked,
                                     "give minilm, a model's folder or a finished run's folder"))
    top = sorted(file for file in found.files if "/" not in file)
    texts = [file for file in top if file.endswith(TEXT)]
    if "adapter_config.json" in texts:
        needed = ("README.md", *(["adapter_model.safetensors"] if weights else []))
        return found.fetch([*texts, *(file for file in top if file in needed)])
    wanted = ["config.json", *(file for file in texts if file != "config.json")]
    wanted += [file for file in top if file == "README.md"]  # its licence
    if weights:
        parts = [file for file in top if file.endswith(".safetensors")]
        if not found.down:  # what a copy lacks, the hub may have
            check_weight_names(asked, top)
        shards = [file for file in parts if SHARD.fullmatch(file)]  # others beside them are the same in another form
        wanted += [WEIGHTS] if WEIGHTS in top or not parts else shards or parts
    return found.fetch(wanted)
