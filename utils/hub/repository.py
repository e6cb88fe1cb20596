"""A repository of the Hugging Face hub as a user asks for it."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Repository:
    """A model's or a data set's repository at a branch, tag or commit."""

    kind: str  #: model, dataset
    name: str
    revision: str  #: "": the main branch
    asked: str  #: the flag with its value, as messages name it
    otherwise: str  #: what to do without the hub, as messages say it

    @property
    def page(self) -> str:
        """Its address on the hub."""
        from huggingface_hub import constants

        return f"{constants.ENDPOINT}/{'datasets/' * (self.kind == 'dataset')}{self.name}"

    @property
    def cache(self) -> Path:
        """Its folder in the cache of the hub's client, which need not be there."""
        from huggingface_hub import constants
        from huggingface_hub.file_download import repo_folder_name

        return Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=self.name, repo_type=self.kind)
