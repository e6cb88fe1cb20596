"""The names of models and data sets on the Hugging Face hub, as users give them."""

import os
import re

MINILM = "sentence-transformers/all-MiniLM-L6-v2"  # which `--model minilm` has from a package
HUB_NAME = re.compile(r"(?!.*(--|\.\.|\.git$))(?=.{3,96}$)\w([\w.-]*\w)?/\w([\w.-]*\w)?", re.ASCII)
HUB_REPOSITORY = (lambda value: not value or bool(HUB_NAME.fullmatch(value)),
                  "the NAME/REPO of a repository on the hub: letters, digits, - _ and .")  # a flag's range
HUB_ID = re.compile(r"([\w.-]+/)?[\w.-]+", re.ASCII)


def split_revision(name: str) -> tuple[str, str]:
    """Return (NAME, REV) of a hub id NAME@REV, and (`name`, "") of all else: a folder may have an @ in its path."""
    before, _, revision = name.partition("@")
    if not (revision and HUB_ID.fullmatch(before)) or os.path.exists(name):
        return name, ""
    return before, revision


def is_path(name: str) -> bool:
    """Say whether a name can be that of a folder alone, there or not: it is no hub id."""
    return (not name or os.path.exists(os.path.expanduser(name)) or name.startswith((".", "/", "~"))
            or split_revision(name)[0].count("/") > 1)


def with_layers(name: str, layers: int) -> str:
    """Return what a model's first `layers` layers are called, NAME-layersN or NAME-layersN@REV; `name` itself for 0."""
    if not layers:
        return name
    before, revision = split_revision(name)
    return f"{before.rstrip('/')}-layers{layers}" + f"@{revision}" * bool(revision)
