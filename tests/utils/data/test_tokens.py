"""Token ids: what the tokenizer itself would give, cached under everything they depend on."""

import hashlib
import logging
import multiprocessing
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from transformers import AutoTokenizer

from tests.loading import loaded
from tests.processes import HANGS
from tests.tiny import FAMILIES, QASC, RTE, STSB, StubTable, real_rows
from utils.data import tokens
from utils.data.table import write_table
from utils.errors import UserError


@pytest.fixture(scope="session")
def tokenizer_of(tiny):
    return lambda family: loaded(tiny(family), STSB)[1]


def table(n: int = 5, spec=RTE, **changes) -> StubTable:
    """A table of made-up pairs, for what needs no real text."""
    rows = pa.table({"sentence1": [f"The man {i} is here." for i in range(n)],
                     "sentence2": ["Who is it?"] * n})
    return StubTable(spec, rows, **changes)


def opened(tokenizer, cache, *, of=None, split="train", max_length=64, text_to_text=False) -> tokens.Tokens:
    return tokens.open_tokens(of or table(), split, tokenizer, max_length=max_length,
                              text_to_text=text_to_text, cache=cache)


def same(a: tokens.Tokens, b: tokens.Tokens) -> bool:
    return (np.array_equal(a.ids, b.ids) and np.array_equal(a.offsets, b.offsets) and a.choices == b.choices
            and np.array_equal(a.lengths, b.lengths) and np.array_equal(a.needed, b.needed)
            and (np.array_equal(a.types, b.types) if a.types is not None else b.types is None))


@pytest.mark.parametrize("family", FAMILIES)
def test_pairs_are_encoded_as_the_tokenizer_itself_does(tiny, tokenizer_of, family, tmp_path):
    rows = real_rows(RTE, 40)
    found = opened(tokenizer_of(family), tmp_path, of=StubTable(RTE, rows), max_length=48)
    assert found.n_rows == 40 and found.choices == 1 and found.ids.dtype == np.int32
    assert isinstance(found.ids, np.memmap)
    assert found.offsets.dtype == np.int64 and found.lengths.dtype == np.int32
    plain = AutoTokenizer.from_pretrained(tiny(family))
    between = family == "gpt2"
    longest = 0
    for i in range(40):
        a, b = rows["sentence1"][i].as_py(), rows["sentence2"][i].as_py()
        [sequence] = found.sequences(i)
        expected = plain(a, b, truncation=True, max_length=48 - between, return_token_type_ids=True)
        ids = list(expected["input_ids"])
        if between:
            ids.insert(expected.sequence_ids(0).index(1), plain.eos_token_id)
        assert sequence.tolist() == ids and found.lengths[i] == len(ids)
        if found.types is not None:
            assert found.types[found.offsets[i]:found.offsets[i + 1]].tolist() == expected["token_type_ids"]
        longest = max(longest, len(ids))
    assert longest == 48  # some were cut
    # segments where the model learnt them, and nowhere else
    assert (found.types is not None) == (family in ("bert", "electra", "albert"))


def test_multiple_choice_rows_are_pairs_of_the_question_and_each_choice(tokenizer_of, tmp_path):
    rows, tokenizer = real_rows(QASC, 6), tokenizer_of("roberta")
    found = opened(tokenizer, tmp_path, of=StubTable(QASC, rows))
    assert (found.n_rows, found.choices, len(found.offsets)) == (6, 8, 49)
    for i in range(6):
        question = rows["question"][i].as_py()
        expected = [tokenizer(question, choice, truncation=True, max_length=64)["input_ids"]
                    for choice in rows["choices"][i].as_py()]
        assert [sequence.tolist() for sequence in found.sequences(i)] == expected
        assert found.lengths[i] == max(map(len, expected))


def test_text_to_text_rows_are_the_filled_in_prompt(tokenizer_of, tmp_path):
    rows, tokenizer = real_rows(QASC, 2), tokenizer_of("t5")
    found = opened(tokenizer, tmp_path, of=StubTable(QASC, rows), max_length=400, text_to_text=True)
    assert found.choices == 1 and found.types is None
    assert found.sequences(0)[0].tolist() == tokenizer(
        "qasc question: Climate is generally described in terms of what? choices: (A) sand "
        "(B) occurs over a wide range (C) forests (D) Global warming (E) rapid changes occur "
        "(F) local weather conditions (G) measure of motion (H) city life")["input_ids"]
    short = opened(tokenizer, tmp_path, of=StubTable(QASC, rows), max_length=20, text_to_text=True)
    assert short.lengths.tolist() == [20, 20] and short.ids[19] == tokenizer.eos_token_id
    pairs = opened(tokenizer, tmp_path, text_to_text=True)
    assert pairs.sequences(0)[0].tolist() == tokenizer(
        "rte sentence1: The man 0 is here. sentence2: Who is it?")["input_ids"]


def test_one_column_empty_texts_and_empty_splits(tokenizer_of, tmp_path):
    single = replace(RTE, text=("sentence1",))
    rows = pa.table({"sentence1": ["", "A man."]})
    gpt2 = tokenizer_of("gpt2")
    found = opened(gpt2, tmp_path, of=StubTable(single, rows))
    assert found.ids.tolist() == [gpt2.eos_token_id, *gpt2("A man.")["input_ids"]]
    halves = pa.table({"sentence1": ["", "A"], "sentence2": ["B", ""]})
    pair = opened(gpt2, tmp_path, of=StubTable(RTE, halves, "halves"))
    assert [s.tolist() for row in (0, 1) for s in pair.sequences(row)] == [
        [gpt2.eos_token_id, *gpt2("B")["input_ids"]], [*gpt2("A")["input_ids"], gpt2.eos_token_id]]
    for spec in (single, RTE):
        assert opened(tokenizer_of("bert"), tmp_path, of=table(0, spec, fingerprint="nothing")).n_rows == 0


def test_many_batches_are_one(tokenizer_of, monkeypatch):
    tokenizer, many = tokenizer_of("bert"), table(25)
    whole = tokens.tokenise(many.table, RTE, tokenizer, 64, False)
    monkeypatch.setattr(tokens, "_ROWS_AT_ONCE", 4)
    assert same(tokens.tokenise(many.table, RTE, tokenizer, 64, False), whole)


def test_no_room_for_text(tokenizer_of, tmp_path):
    for family, enough in (("bert", 5), ("roberta", 6), ("gpt2", 3)):
        assert opened(tokenizer_of(family), tmp_path, max_length=enough).lengths.max() == enough
        with pytest.raises(UserError, match="--max_length"):
            opened(tokenizer_of(family), tmp_path, max_length=enough - 1)


def test_the_key_is_all_that_the_ids_depend_on(tokenizer_of):
    bert = tokenizer_of("bert")
    arguments = {"fingerprint": "f", "split_name": "train", "tokenizer": bert, "max_length": 64,
                 "text_to_text": False}
    other = tokenizer_of("bert")
    other.add_tokens(["brandnew"])
    without_types = tokenizer_of("bert")
    without_types.model_input_names = ["input_ids", "attention_mask"]
    changes = [{}, {"fingerprint": "g"}, {"split_name": "dev"}, {"max_length": 65}, {"text_to_text": True},
               *({"tokenizer": it} for it in (other, without_types)),
               *({"tokenizer": tokenizer_of(family)} for family in ("roberta", "albert"))]
    assert len({tokens.cache_key(**{**arguments, **change}) for change in changes}) == len(changes)
    # an equal tokenizer, or one left in another state by a call, is the same
    bert(["a", "b c d"], padding=True, truncation=True, max_length=2)
    again = {**arguments, "tokenizer": tokenizer_of("bert")}
    assert tokens.cache_key(**arguments) == tokens.cache_key(**again)


def test_tokenising_leaves_the_tokenizer_alone(tokenizer_of, tmp_path):
    tokenizer = tokenizer_of("gpt2")
    tokenizer(["a", "b c d"], padding=True, truncation=True, max_length=2)
    before = tokenizer.backend_tokenizer.to_str()
    opened(tokenizer, tmp_path, max_length=7)
    assert tokenizer.backend_tokenizer.to_str() == before


def test_a_hit_reads_and_writes_nothing(tokenizer_of, tmp_path, monkeypatch):
    first = opened(tokenizer_of("bert"), tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    monkeypatch.setattr(tokens, "tokenise", lambda *args: pytest.fail("tokenised again"))
    assert same(opened(tokenizer_of("bert"), tmp_path), first)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    [folder] = tmp_path.iterdir()
    assert {path.name for path in folder.iterdir()} == {"ids.npy", "types.npy", "offsets.npy", "needed.npy",
                                                          "meta.json"}


def test_a_damaged_cache_is_made_anew_with_a_note(tokenizer_of, tmp_path, caplog):
    tokenizer = tokenizer_of("bert")
    first = opened(tokenizer, tmp_path)
    ids, types = np.array(first.ids), np.array(first.types)
    [folder] = tmp_path.iterdir()
    def flip(path):
        content = bytearray(path.read_bytes())
        content[-5] ^= 4  # in the last but one of its values: shape and type stay as they were
        path.write_bytes(content)

    def link(path):
        path.rename(tmp_path.parent / path.name)
        path.symlink_to(tmp_path.parent / path.name)

    def pipe(path):
        path.unlink()
        os.mkfifo(path)

    def archive(path):
        with path.open("wb") as file:
            np.savez(file, ids)

    damages = {
        "ids.npy": [flip, link, pipe, archive, lambda path: np.save(path, ids.astype(np.int64)),
                    lambda path: path.write_bytes(path.read_bytes()[:-4]), Path.unlink,
                    lambda path: path.write_bytes(b""), lambda path: np.save(path, ids[:-1])],
        "types.npy": [lambda path: np.save(path, types[:-1]), Path.unlink],
        "offsets.npy": [flip, lambda path: np.save(path, np.zeros((2, 10**6), np.int64, "F")),
                        lambda path: np.save(path, np.zeros(3, np.int64)),
                        lambda path: path.write_bytes(b"x")],
        "needed.npy": [flip, Path.unlink, lambda path: np.save(path, np.zeros(3, np.int32))],
        "meta.json": [pipe, lambda path: path.write_text("{}"), lambda path: path.write_text("[" * 10**5),
                      lambda path: path.write_text(path.read_text().replace(": ", ": 1")),
                      lambda path: path.write_text("{"), Path.unlink],
    }
    for name, spoils in damages.items():
        for spoil in spoils:
            caplog.clear()
            spoil(folder / name)
            again = opened(tokenizer, tmp_path)
            assert np.array_equal(again.ids, ids) and np.array_equal(again.types, types)
            assert [record.levelname for record in caplog.records] == ["WARNING"] and "damaged" in caplog.text
            caplog.clear()
            opened(tokenizer, tmp_path)
            assert not caplog.records and list(tmp_path.iterdir()) == [folder]


def test_a_cache_that_is_a_link_or_a_file_is_replaced_and_what_it_led_to_stays(tokenizer_of, tmp_path):
    opened(tokenizer_of("bert"), tmp_path / "cache")
    [folder] = (tmp_path / "cache").iterdir()
    folder.rename(tmp_path / "elsewhere")
    for spoil in (lambda: folder.symlink_to(tmp_path / "elsewhere"), lambda: folder.write_text("x")):
        spoil()
        opened(tokenizer_of("bert"), tmp_path / "cache")
        assert [(path.name, path.is_symlink()) for path in (tmp_path / "cache").iterdir()] == [(folder.name, False)]
        assert len(list((tmp_path / "elsewhere").iterdir())) == 5
        shutil.rmtree(folder)
    (tmp_path / "link").symlink_to(tmp_path / "cache")
    with pytest.raises(UserError, match="link is a link: put the folder itself there"):
        opened(tokenizer_of("bert"), tmp_path / "link")


def test_a_cache_of_other_rows_under_the_same_fingerprint_is_not_taken(tokenizer_of, tmp_path):
    opened(tokenizer_of("bert"), tmp_path)
    assert opened(tokenizer_of("bert"), tmp_path, of=table(7)).n_rows == 7


@pytest.mark.parametrize(("spec", "text_to_text"), [(RTE, False), (QASC, False), (QASC, True)])
def test_a_table_on_disk_gives_the_same_as_its_rows(tokenizer_of, tmp_path, spec, text_to_text):
    rows = real_rows(spec, 9)
    plain = rows.drop_columns("row").to_pylist()
    records = [{**record, "domain": "ab"[i % 2]} for i, record in enumerate(plain)]
    made = write_table(tmp_path / spec.name, spec, {"dev": records}, "real rows")
    tokenizer = tokenizer_of("t5" if text_to_text else "bert")
    where = {"of": made, "split": "dev", "text_to_text": text_to_text}
    found = opened(tokenizer, made.folder / "tokens", **where)
    assert same(found, tokens.tokenise(rows, spec, tokenizer, 64, text_to_text))
    assert same(found, opened(tokenizer, made.folder / "tokens", **where))


def test_a_cache_that_cannot_be_written(tokenizer_of, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        opened(tokenizer_of("bert"), tmp_path / "file")


ROUNDS = 20


def race(tokenizer, cache: Path, parallelism: str, barrier, results) -> None:
    """One of the processes: open the same caches at the same moments as the other, and say what came out."""
    os.environ["TOKENIZERS_PARALLELISM"] = parallelism
    notes = []
    logging.getLogger("lm").addFilter(lambda record: notes.append(record.getMessage()))
    digests = []
    for turn in range(ROUNDS):
        barrier.wait(timeout=HANGS)
        found = opened(tokenizer, cache, of=table(50, fingerprint=str(turn)))
        digests.append(hashlib.sha256(b"".join([found.ids, found.types, found.offsets])).hexdigest())
    results.put((digests, notes))


def test_a_cache_that_reads_back_as_something_else_is_refused(tokenizer_of, tmp_path, monkeypatch):
    monkeypatch.setattr(tokens, "_read", lambda *where: None)
    with pytest.raises(UserError, match="cannot be written .*reads back as something else"):
        opened(tokenizer_of("bert"), tmp_path / "tokens")
    assert not list((tmp_path / "tokens").iterdir())


def test_two_processes_at_once(tokenizer_of, tmp_path):
    # Fresh ones: a forked one lacks the threads that tokenizers in this process may have started, and waits for them
    tokenizer, fresh = tokenizer_of("bert"), multiprocessing.get_context("spawn")
    barrier, results, cache = fresh.Barrier(2), fresh.Queue(), tmp_path / "cache"
    both = [fresh.Process(target=race, args=(tokenizer, cache, parallelism, barrier, results), daemon=True)
            for parallelism in ("true", "false")]
    for process in both:
        process.start()
    found = [results.get(timeout=HANGS) for _ in both]
    for process in both:
        process.join(timeout=HANGS)
    assert [process.exitcode for process in both] == [0, 0]
    assert found[0] == found[1]
    digests, notes = found[0]
    assert len(digests) == ROUNDS and len(set(digests)) == 1 and not notes
    assert len(list(cache.iterdir())) == ROUNDS  # and no temporary folder is left
    kept = opened(tokenizer, cache, of=table(50, fingerprint="3"))
    assert same(kept, tokens.tokenise(table(50).table, RTE, tokenizer, 64, False))
