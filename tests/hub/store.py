"""What the hub holds: repositories, users and their tokens."""

import hashlib
import io
from dataclasses import dataclass, field
from pathlib import Path

LARGE = (".safetensors", ".bin", ".parquet")  # the files that a repository keeps in LFS


def blob(content: bytes) -> str:
    """Return the name that git gives to a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def sha256(content: bytes) -> str:
    """Return the name that LFS gives to a file's content."""
    return hashlib.sha256(content).hexdigest()


@dataclass
class User:
    """The user of a token, and what the token may do."""

    name: str
    role: str = "write"  #: of the token: "read", which writes nowhere, "write" or "fineGrained"
    scopes: list[dict] = field(default_factory=list)  #: what a fine-grained token may do, as whoami-v2 has it
    organizations: dict[str, str] = field(default_factory=dict)  #: name → the user's role in it
    gated: bool = False  #: whether gated repositories are open

    def may_write(self, repository: str) -> bool:
        """Return whether the token may make or change a repository."""
        owner = repository.partition("/")[0]
        may = {"read": False, "write": True, "fineGrained": any(
            scope["entity"]["name"] in (owner, repository) and "repo.write" in scope["permissions"]
            for scope in self.scopes)}[self.role]
        return may and (owner == self.name or self.organizations.get(owner, "read") != "read")


@dataclass
class Repository:
    """Revisions by name, each a commit; commit → path → content. A commit stays when its revision moves on."""

    gated: bool = False
    private: bool = False
    revisions: dict[str, str] = field(default_factory=dict)
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)

    def put(self, files: dict[str, bytes], revision: str = "main") -> str:
        """Make `files` all that `revision` holds; return the commit, which depends on nothing else."""
        listing = "".join(f"{path} {blob(content)}\n" for path, content in sorted(files.items()))
        commit = hashlib.sha1(listing.encode()).hexdigest()
        self.commits[commit], self.revisions[revision] = dict(files), commit
        return commit

    def files(self, revision: str = "main") -> dict[str, bytes]:
        """Return path → content of a revision; raises KeyError if there is none of that name."""
        return self.commits[self.revisions[revision]]


class Store:
    """The repositories, by kind and name, and the users, by token.

    `hf_good` is a token of the user `me`, which enters gated repositories, writes in the organization `team` and only
    reads in `readers`; `hf_read` is another of `me` that may only read; `hf_other` is another user's, which gated ones
    keep out. `aliases` are old names of models: name → repository. `large` are uploaded files, by their SHA-256.
    """

    def __init__(self) -> None:
        self.models: dict[str, Repository] = {}
        self.datasets: dict[str, Repository] = {}
        self.aliases: dict[str, str] = {}
        self.users = {"hf_good": User("me", organizations={"team": "write", "readers": "read"}, gated=True),
                      "hf_read": User("me", role="read", gated=True), "hf_other": User("other")}
        self.large: dict[str, bytes] = {}

    def add_model(self, name: str, folder: Path, revision: str = "main", **access: bool) -> str:
        """Make a folder's files a revision of a model; `access` is Repository's. Returns the commit."""
        files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        return self.models.setdefault(name, Repository(**access)).put(files, revision)

    def add_dataset(self, name: str, configs: dict[str, dict], revision: str = "main", **access: bool) -> str:
        """Make {configuration: {split: datasets.Dataset}} a revision of a data set, in Parquet. Returns the commit."""
        return self.datasets.setdefault(name, Repository(**access)).put(parquet_files(configs), revision)


def parquet_files(configs: dict[str, dict]) -> dict[str, bytes]:
    """Return the files of a data set of {configuration: {split: datasets.Dataset}}, and the card that lists them."""
    from datasets import DatasetInfo
    from datasets.info import DatasetInfosDict
    from datasets.splits import SplitDict, SplitInfo
    from datasets.utils.metadata import MetadataConfigs
    from huggingface_hub import DatasetCardData

    files, infos, metadata = {}, DatasetInfosDict(), MetadataConfigs()
    for config, splits in configs.items():
        for split, rows in splits.items():
            rows.to_parquet(file := io.BytesIO())
            files[f"{config}/{split}-00000-of-00001.parquet"] = file.getvalue()
        metadata[config] = {"data_files": [{"split": split, "path": f"{config}/{split}-*"} for split in splits]}
        infos[config] = DatasetInfo(
            features=next(iter(splits.values())).features, download_size=1, dataset_size=1,
            splits=SplitDict({split: SplitInfo(split, 1, len(rows)) for split, rows in splits.items()}))
    card = DatasetCardData()
    infos.to_dataset_card_data(card)
    metadata.to_dataset_card_data(card)
    return {"README.md": f"---\n{card}\n---\n".encode(), **files}
