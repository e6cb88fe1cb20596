"""ANLI, adversarial NLI: MultiNLI's question, written to mislead models in three rounds.

    python preprocess/anli.py [--source hub | PATH] [--out DIR]

A row's domain is its round, R1, R2 or R3, each harder than the one before. The official files are `R1/train.jsonl` and
so on, of `anli_v1.0`.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path

from preprocess.common import main
from preprocess.sources import Glue, find_folder, load_hub
from utils.data.readers import Row
from utils.data.task import Origin, TaskSpec
from utils.errors import UserError
from utils.hub.reading import Snapshot

SPEC = TaskSpec(
    name="anli",
    kind="classification",
    text=("premise", "hypothesis"),
    labels=("entailment", "neutral", "contradiction"),
    metrics=("accuracy",),
    prompt="anli hypothesis: {hypothesis} premise: {premise}",
    label_words=("entailment", "neutral", "contradiction"),
    test_split="test",
    domain="round",
    natural_by_default=True,
    citation="Nie et al. 2020, Adversarial NLI: A New Benchmark for Natural Language Understanding",
    origin=Origin("facebook/anli", "plain_text", license="CC BY-NC 4.0"),
)
SPLITS = ("train", "dev", "test")
SOURCES = {f"R{n}": Glue(
    SPEC, folder=f"R{n}", codes=("e", "n", "c"), renamed={"premise": "context"}, json=True,
    files={split: f"{split}.jsonl" for split in SPLITS}, hub_names={f"{split}_r{n}": split for split in SPLITS},
) for n in (1, 2, 3)}


def read_files(path: Path) -> dict[str, Iterator[Row]]:
    """Return split → rows of the official files, round after round; raises UserError as Glue.read_files does."""
    folder = find_folder(path, "R1/train.jsonl", "anli_v1.0", "anli")
    for name in SOURCES:
        if not (folder / name).is_dir():
            raise UserError(f"--source {path}: {folder / name} is missing: expected the rounds {', '.join(SOURCES)}")
    return joined({name: source.read_files(folder / name) for name, source in SOURCES.items()})


def read_hub(found: Snapshot) -> dict[str, Iterator[Row]]:
    """Return split → rows of the hub's copy, round after round; raises UserError as load_hub does."""
    data = load_hub(found, SPEC.origin.config)
    return joined({name: source.hub_rows(data) for name, source in SOURCES.items()})


def joined(rounds: Mapping[str, Mapping[str, Iterable[Row]]]) -> dict[str, Iterator[Row]]:
    """Return split → the rows of all rounds, each with its round as its domain."""
    def of(name: str, rows: Iterable[Row]) -> Iterator[Row]:
        return ({**row, "domain": name} for row in rows)

    return {split: chain(*(of(name, splits[split]) for name, splits in rounds.items() if split in splits))
            for split in SPLITS if any(split in splits for splits in rounds.values())}

if __name__ == "__main__":
    main(SPEC)
