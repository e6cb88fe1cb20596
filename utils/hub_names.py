"""The names of models and data sets on the Hugging Face hub, as users give them."""

import os
import re

MINILM = "sentence-transformers/all-MiniLM-L6-v2"  # which `--model minilm` has from a package
HUB_ID = re.compile(r"([\w.-]+/)?[\w.-]+", re.ASCII)


def split_revision(name: str) -> tuple[str, str]:
    """Return (NAME, REV) of a hub id NAME@REV, and (`name`, "") of all else: a folder may have an @ in its path."""
    before, _, revision = name.partition("@")
    if not (revision and HUB_ID.fullmatch(before)) or os.path.exists(name):
        return name, ""
    return before, revision
