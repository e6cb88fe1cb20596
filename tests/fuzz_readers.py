"""Fuzz whatever reads files: damaged files end as valid rows or as one line that names the file, nothing else.

    python -m tests.fuzz_readers --minutes 10

The test suite runs the same properties on a few examples each (tests/test_fuzz.py).
"""

import argparse
import io
import json
import random
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import hypothesis
import numpy as np
import pyarrow as pa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import preprocess.common as preprocess
from preprocess.sentiment import FILES
from tests.tiny import RTE, StubTable, tiny_tokenizer
from tests.toy import toy_rows
from utils.console import NOTES
from utils.data import tokens
from utils.data.table import CARD, Table, open_table, write_table
from utils.errors import UserError

#: what files are damaged with, beside bits and cuts
PIECES = (b"\0", b"\xef\xbb\xbf", b"\xff\xfe", b"\t", b"\n", b"\r\n", b"\r", b'"', b"'", b"\\ud800", b"\xed\xa0\x80",
          b"\xc2\x85", b"\xe2\x80\xa8", b"\x1b[2J", b"../../x", b"/etc/passwd", b"nan", b"1e999", b"-1", b"9" * 30,
          b"9" * 5000, b"[" * 3000, b"{}", b"null", b"true", b",", b":", b"A" * 70_000)
#: what a card's values are replaced with
VALUES = st.sampled_from([None, True, -1, 0, 1, 10**15, 10**30, 0.5, "", "x", "../../x", "/etc/passwd", [], [1], {},
                          {"all": 60}, {"all": "../x.parquet"}, {"../x": 60}, "\ud800", "a" * 5000])
ROW = '{"premise": "It rained %d.", "choice1": "Wet.", "choice2": "Dry.", "question": "effect", "label": %d, "idx": 1}'
CHOICES = json.dumps([{"text": f"choice {letter}", "label": letter} for letter in "ABCDEFGH"])
#: task → official file → its valid content
SOURCES = {
    "rte": {name: "index\tsentence1\tsentence2\tlabel\n0\tA man.\tB.\tentailment\n1\tC.\tD é.\tnot_entailment\n"
            for name in ("train.tsv", "dev.tsv")},
    "cola": {name: "gj04\t1\t\tThe sailors rode.\nks08\t0\t*\tHim \"saw.\ngj04\t1\t\tFine." for name in
             ("train.tsv", "dev.tsv")},
    "stsb": {name: "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore\n"
                   "0\tmain-captions\tf\ty\t1\tnone\tnone\tA plane.\tAn air plane.\t5.000\n" for name in
             ("train.tsv", "dev.tsv")},
    "mnli": {name: "genre\tsentence1\tsentence2\tgold_label\nslate\tA.\tB.\tneutral\nfiction\tC.\tD.\tentailment\n"
             for name in ("train.tsv", "dev_matched.tsv")},
    "qqp": {name: "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n1\t1\t2\tWhy?\tWhat?\t1\n" for name in
            ("train.tsv", "dev.tsv")},
    "xnli": {name: "language\tgold_label\tsentence1\tsentence2\nsw\tneutral\tA\tB\nde\tentailment\tC\tD\n"
             for name in ("xnli.dev.tsv", "xnli.test.tsv")},
    "paws": {name: 'id\tsentence1\tsentence2\tlabel\n1\tA .\t"It ""said"" B ."\t1\n2\tC\tD\t0\n'
             for name in ("train.tsv", "dev.tsv", "test.tsv")},
    "snli": {f"snli_1.0_{name}.jsonl": '{"gold_label": "neutral", "sentence1": "A.", "sentence2": "B é."}\n' * 2
             for name in ("train", "dev", "test")},
    "sick": {"SICK.txt": "sentence_A\tsentence_B\trelatedness_score\tsentence_A_dataset\tSemEval_set\n"
             + "".join(f"A man.\tB.\t3.5\tFLICKR\t{name}\n" for name in ("TRAIN", "TRIAL", "TEST"))},
    "yelp": {name: '"1","Bad \\n \\""x\\"""\n"2","good é"\n' for name in ("train.csv", "test.csv")},
    "boolq": {name: '{"question": "is it", "passage": "It — is.", "idx": 0, "label": true}\n' for name in
              ("train.jsonl", "val.jsonl")},
    "copa": {name: "".join(f"{ROW % (k, k)}\n" for k in (0, 1)) for name in ("train.jsonl", "val.jsonl")},
    "qasc": {name: '{"id": "3", "question": {"stem": "What?", "choices": %s}, "answerKey": "F"}\n' % CHOICES
             for name in ("train.jsonl", "dev.jsonl")},
    "sentiment": {name: "".join(f"{k}_1\t{k % 2 - 0.5}\tsome text {k}\r\n" for k in range(1, 7))
                  for name in FILES.values()},
}


@st.composite
def damaged(draw, content: bytes) -> bytes:
    """Draw `content` after up to five bits flipped, parts cut, doubled or replaced, and PIECES put in."""
    for kind in draw(st.lists(st.sampled_from(["flip", "cut", "delete", "double", "insert", "bytes"]), max_size=5)):
        begin, end = sorted(draw(st.tuples(*[st.integers(0, len(content))] * 2)))
        old = content[begin:end]
        if kind == "flip" and old:
            new, end = bytes([old[0] ^ 1 << draw(st.integers(0, 7))]), begin + 1
        elif kind == "insert":
            new, end = draw(st.sampled_from(PIECES)), begin
        elif kind == "bytes":
            new, end = draw(st.binary(max_size=8)), min(end, begin + 8)
        else:
            new = old * 2 if kind == "double" else b""
            end = len(content) if kind == "cut" else end
        content = content[:begin] + new + content[end:]
    return content


@contextmanager
def folder():
    """A folder for one example."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        yield Path(name)


def valid_or_named(read: Callable[[], Table], *names: str) -> str:
    """Check that `read` gives a table whose rows are valid, or UserError naming one of `names`; say which."""
    try:
        table = read()
        for split in table.splits:
            for row in table.split(split).to_pylist():
                assert all(type(row[column]) is str for column in (*table.spec.text, "domain"))
                assert 0 <= row["label"] <= 5 and len(row.get("choices", ())) in (0, len(table.spec.labels))
        return "valid"
    except UserError as error:
        message = str(error)
        assert message.isprintable() and len(message) < 2000 and any(name in message for name in names), message
        return "refused"


@st.composite
def official_files(draw):
    """A task, and its official files with one of them damaged."""
    task = draw(st.sampled_from(sorted(SOURCES)))
    files = {name: content.encode() for name, content in SOURCES[task].items()}
    name = draw(st.sampled_from(sorted(files)))
    return task, {**files, name: draw(damaged(files[name]))}


def reads_official_files(drawn) -> str:
    """TSV and JSON lines: a table is made and opened, or the file named, and nothing is left behind."""
    task, files = drawn
    with folder() as base:
        (base / "raw").mkdir()
        for name, content in files.items():
            (base / "raw" / name).write_bytes(content)
        outcome = valid_or_named(lambda: preprocess.prepare(task, str(base / "raw"), base / "data"), *files, "--source",
                                 f"{task}: ")
        left = [path.name for path in (base / "data").glob("*")]
        assert left == ([task] if outcome == "valid" else []), left
        return outcome


def reads_archive(content: bytes) -> str:
    """The sentiment task's archive."""
    with folder() as base:
        (base / "x.tar.gz").write_bytes(content)
        return valid_or_named(lambda: preprocess.prepare("sentiment", str(base / "x.tar.gz"), base / "data"),
                              "x.tar.gz", "sentiment: ")


def archive() -> bytes:
    """The four files as the official archive has them."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as file:
        for name, content in SOURCES["sentiment"].items():
            member = tarfile.TarInfo(f"hutto_ICWSM_2014/{name}")
            member.size = len(content)
            file.addfile(member, io.BytesIO(content.encode()))
    return buffer.getvalue()


def table_files() -> dict[str, bytes]:
    """The files of a small table."""
    with folder() as base:
        spec = preprocess.load("rte").SPEC
        made = write_table(base / "rte", spec, {"train": toy_rows(60, 1), "dev": toy_rows(24, 2)}, "toy")
        return {path.name: path.read_bytes() for path in made.folder.iterdir()}


@st.composite
def tables(draw, files: dict[str, bytes]):
    """A table's files, one of them damaged: its bytes, or a value of the card."""
    if draw(st.booleans()):
        name = draw(st.sampled_from(sorted(files)))
        return {**files, name: draw(damaged(files[name]))}
    card = json.loads(files[CARD])
    place = card
    while True:
        key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else list(range(len(place)))))
        if not isinstance(place[key], dict | list) or not place[key] or draw(st.integers(0, 3)) == 0:
            break
        place = place[key]
    place[key] = draw(VALUES)
    return {**files, CARD: json.dumps(card).encode()}


def reads_table(files: dict[str, bytes]) -> str:
    """card.json and the Parquet files of a table."""
    with folder() as base:
        for name, content in files.items():
            (base / name).write_bytes(content)
        return valid_or_named(lambda: open_table(base, preprocess.load("rte").SPEC), str(base))


class Cache:
    """The token cache: whatever is in it, the tokens are the same, and it is whole afterwards."""

    def __init__(self) -> None:
        rows = toy_rows(12, 1)
        columns = {name: [row[name] for row in rows] for name in RTE.text}
        self.table, self.tokenizer = StubTable(RTE, pa.table(columns)), tiny_tokenizer("bert")
        with folder() as base:
            self.whole = self.open(base)
            [made] = base.iterdir()
            self.name, self.files = made.name, {path.name: path.read_bytes() for path in made.iterdir()}

    def open(self, cache: Path) -> bytes:
        found = tokens.open_tokens(self.table, "train", self.tokenizer, max_length=32, text_to_text=False, cache=cache)
        return b"".join(np.ascontiguousarray(part).tobytes() for part in (found.ids, found.types, found.offsets))

    @st.composite
    @staticmethod
    def drawn(draw, self):
        name = draw(st.sampled_from(sorted(self.files)))
        return {**self.files, name: draw(damaged(self.files[name]))}

    def reads(self, files: dict[str, bytes]) -> str:
        with folder() as base:
            (base / self.name).mkdir()
            for name, content in files.items():
                (base / self.name / name).write_bytes(content)
            assert self.open(base) == self.whole
            assert [path.name for path in base.iterdir()] == [self.name]
            made = {path.name: path.read_bytes() for path in (base / self.name).iterdir()}
            return "valid" if made == files else "rebuilt"


def targets() -> dict[str, tuple]:
    """name → (what is drawn, the property)"""
    cache = Cache()
    return {"official files": (official_files(), reads_official_files),
            "archive": (damaged(archive()), reads_archive),
            "table": (tables(table_files()), reads_table),
            "token cache": (Cache.drawn(cache), cache.reads)}


def check(strategy, reads: Callable[..., str], examples: int, seed: int) -> Counter:
    """Run a property on so many examples; return how often it came out how. Raises what breaks it."""
    outcomes: Counter = Counter()

    @hypothesis.seed(seed)
    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck),
              phases=(Phase.generate, Phase.shrink))
    @given(strategy)
    def test(drawn):
        outcomes[reads(drawn)] += 1

    test()
    return outcomes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    flags = parser.parse_args()
    NOTES.disabled = True  # thousands of damaged caches
    end, seed, found = time.monotonic() + 60 * flags.minutes, flags.seed, {}
    all_targets = targets()
    while time.monotonic() < end:
        for name, (strategy, reads) in all_targets.items():
            found.setdefault(name, Counter()).update(check(strategy, reads, 500, seed))
        seed += 1
    for name, outcomes in found.items():
        print(f"{name}: {outcomes.total():,} examples,", ", ".join(f"{n:,} {word}" for word, n in outcomes.items()))


if __name__ == "__main__":
    main()
