"""Sentiment of short texts from four domains: film reviews, product reviews, editorials and tweets.

    python preprocess/sentiment.py [--source pypi | PATH] [--out DIR]

23,703 snippets rated by people from −4 to 4. A mean above 0 is positive, below 0 negative; the 383 at 0 are
left out. The data is inside the source distribution of vaderSentiment 3.3.2 (MIT licence), which `pypi` has
pip download and checks by hash. PATH is that archive, the `hutto_ICWSM_2014.tar.gz` in it, or a folder with the
four `*_GroundTruth.txt` files.

There is no official split. Of each domain's documents, in file order, every fifth is the test split. A document
is a whole product review or article (the ids say which) or one film snippet or tweet (they do not), so the
sentences of one text are never on both sides. Three snippets of the test split ("wonderful.", "i love it!",
"!") are also in the train split, from other reviews.
"""

import hashlib
import io
import subprocess
import sys
import tarfile
import tempfile
import zlib
from pathlib import Path, PurePosixPath

from preprocess.common import main
from preprocess.sources import find_folder
from utils.data.readers import Row, number, tsv_rows
from utils.data.task import Origin, TaskSpec
from utils.errors import UserError

SPEC = TaskSpec(
    name="sentiment",
    kind="classification",
    text=("sentence",),
    labels=("negative", "positive"),
    metrics=("accuracy",),
    prompt="sentiment sentence: {sentence}",
    label_words=("negative", "positive"),
    test_split="test",
    domain="domain",
    natural_by_default=True,
    citation="Hutto, Gilbert 2014, VADER: A Parsimonious Rule-based Model for Sentiment Analysis (ICWSM)",
    origin=Origin(license="MIT"),
)
FILES = {"movie": "movieReviewSnippets_GroundTruth.txt", "product": "amazonReviewSnippets_GroundTruth.txt",
         "editorial": "nytEditorialSnippets_GroundTruth.txt", "tweets": "tweets_GroundTruth.txt"}
INNER = "hutto_ICWSM_2014.tar.gz"
LARGEST = 64 * 2**20  # bytes; the real members have 5 MB at most
RELEASE = "vaderSentiment==3.3.2"
SHA256 = "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9"


def read_files(path: Path) -> dict[str, list[Row]]:
    """Return split → rows of the archive, the archive inside it, or a folder; raises UserError as they do."""
    if path.is_dir():
        folder = find_folder(path, FILES["movie"], "hutto_ICWSM_2014")
        missing = [name for name in FILES.values() if not (folder / name).is_file()]
        if missing:
            raise UserError(f"{folder / missing[0]} is missing: expected the four files of {RELEASE}'s archive")
        return split_rows({name: (folder / name).read_bytes() for name in FILES.values()}, folder)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    members = unpack(data, path)
    if INNER in members:
        if hashlib.sha256(data).hexdigest() != SHA256:
            raise UserError(f"{path} is not the source distribution of {RELEASE}: its sha256 is not {SHA256}")
        members = unpack(members[INNER], path / INNER)
    for name in FILES.values():
        if name not in members:
            raise UserError(f"{path / name} is missing: expected the archive of {RELEASE}, or its {INNER}")
    return split_rows(members, path)


def read_pypi() -> dict[str, list[Row]]:
    """Return split → rows of the archive that pip downloads; raises UserError when it cannot."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "requirements.txt"
        wanted.write_text(f"{RELEASE} --hash=sha256:{SHA256}\n")
        command = [sys.executable, "-P", "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
                   "--timeout", "15", "--retries", "1", "--no-deps", "--no-binary", "vaderSentiment",
                   "--require-hashes", "-r", str(wanted), "-d", folder]
        done = subprocess.run(command, capture_output=True, text=True)
        archives = list(Path(folder).glob("*.tar.gz"))
        if done.returncode or not archives:
            reason = (done.stderr.strip().splitlines() or ["no archive came"])[-1]
            raise UserError(f"sentiment: pip could not download {RELEASE} ({reason}); "
                            "python preprocess/sentiment.py --source PATH takes its source distribution")
        return read_files(archives[0])


def unpack(data: bytes, name: Path) -> dict[str, bytes]:
    """Return name → bytes of those members of a .tar.gz that matter; raises UserError when it is damaged."""
    files = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
            for member in archive:
                file = PurePosixPath(member.name).name
                content = archive.extractfile(member) if member.isfile() else None
                if content is not None and file in (INNER, *FILES.values()):
                    if member.size > LARGEST:  # a few kilobytes can unpack to any number
                        raise UserError(f"{name}: {file} would be {member.size:,} bytes; "
                                        f"expected the archive of {RELEASE}")
                    files[file] = content.read()
    except (tarfile.TarError, EOFError, OSError, ValueError, zlib.error) as error:
        raise UserError(f"{name} is no readable .tar.gz ({error}); expected the archive of {RELEASE}") from None
    return files


def split_rows(files: dict[str, bytes], where: Path) -> dict[str, list[Row]]:
    """Return the train and test rows of the four files' bytes, domain after domain, in file order."""
    splits: dict[str, list[Row]] = {"train": [], "test": []}
    for domain, name in FILES.items():
        documents: dict[str, int] = {}  # document → its place among the domain's
        for row in tsv_rows(io.BytesIO(files[name]), str(where / name), ("id", "score", "text"), rated,
                            header=False):
            place = documents.setdefault(row.pop("document"), len(documents))
            splits["test" if place % 5 == 4 else "train"].append({**row, "domain": domain})
    return splits


def rated(record: dict[str, str]) -> Row | None:
    """Return a row without its domain, with its document (ids are `document` or `document_sentence`)."""
    score = number(record["score"], -4, 4)
    document = record["id"].split("_")[0]
    return {"sentence": record["text"], "label": int(score > 0), "document": document} if score else None


if __name__ == "__main__":
    main(SPEC)
