"""One hash, whatever the workers, the transport and what happened on the way; another one for another seed.

The suite runs a quarter of the matrix, in which any two settings of any two columns meet; `make matrix` runs it whole.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from itertools import combinations, product

import pytest

from tests.processes import finish, kill, model, newest, rounds, start, wait_until, workers
from tests.tiny import tiny_once
from tests.toy import toy_choices, toy_table

MODELS = {"encoder": ("bert", "rte", "--train lora --lora_dropout 0.1 --diagnose 5"),
          "T5": ("t5", "rte", "--strategy fedadam --fp32_products onednn"),
          "multiple choice": ("electra", "copa", "")}
WORKERS, TRANSPORTS, FATES = ("1", "2"), ("reference", "message"), ("fresh", "resumed", "with a kill")
FLAGS = ("--max_length 24 --batch_size 8 --n_iterations 12 --skip_evalnum 12 --optimizer_state keep --n_clients 3 "
         "--val_ratio 0.2")
PART = (("encoder", "1", "reference", "fresh"), ("T5", "2", "message", "fresh"),
        ("multiple choice", "2", "reference", "fresh"),
        ("encoder", "2", "message", "resumed"), ("T5", "1", "reference", "resumed"),
        ("multiple choice", "1", "message", "resumed"),
        ("encoder", "2", "reference", "with a kill"), ("T5", "1", "message", "with a kill"),
        ("multiple choice", "2", "message", "with a kill"))


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A folder with two toy tables and three tiny models."""
    folder = tmp_path_factory.mktemp("matrix")
    toy_table(folder / "data")
    toy_choices(folder / "data")
    for family, *_ in MODELS.values():
        tiny_once(folder, family)
    return folder


def digest(base, number, of, n_workers, transport, fate, more="") -> str:
    """Run one cell of the matrix; return the sha256 of its weights, its answers row by row, and its timeless rounds.

    T5 is diagnosed where it has two workers alone, and its rounds are compared without that: nothing else hangs on it.
    """
    family, task, strategy = MODELS[of]
    if of == "T5" and n_workers == "2":
        strategy += " --diagnose 4"
    name, flags = f"run-{number}", f"{FLAGS} {strategy} --n_workers {n_workers} --transport {transport} {more}"
    process = start(base, name, flags, family, task)
    if fate != "fresh":
        wait_until(lambda: newest(base / name) >= 1 and workers(process.pid), process)
        assert process.poll() is None  # it was at work
        kill(process.pid if fate == "resumed" else workers(process.pid)[0])
    if fate == "resumed":
        process.communicate()
        process = start(base, name, f"{flags} --resume", family, task)
    done = finish(process)
    assert done.returncode == 0, done.stderr[-2000:]
    found = rounds(base / name)
    diagnosed = [record["round"] for record in found if "diagnosis" in record]
    assert diagnosed == ([5, 10, 12] if of == "encoder" else [4, 8, 12] if "--diagnose" in strategy else [])
    for record in found if of == "T5" else ():
        record.pop("diagnosis", None)
    return sha256(model(base / name) + (base / name / "predictions.parquet").read_bytes()
                  + json.dumps(found).encode()).hexdigest()


def test_one_hash_whatever_happens(base, request):
    whole = request.config.getoption("whole_matrix")
    cells = list(product(MODELS, WORKERS, TRANSPORTS, FATES)) if whole else PART
    with ThreadPoolExecutor(2) as pool:
        digests = list(pool.map(lambda k: digest(base, k, *cells[k]), range(len(cells))))
        other = digest(base, "other", *cells[0], more="--seed 5")
    for of in MODELS:
        found = {cell: value for cell, value in zip(cells, digests) if cell[0] == of}
        assert len(found) > 1 and len(set(found.values())) == 1, found
    assert len({*digests, other}) == len(MODELS) + 1


def test_the_part_meets_any_two_settings():
    columns = (MODELS, WORKERS, TRANSPORTS, FATES)
    for first, second in combinations(range(4), 2):
        assert {(cell[first], cell[second]) for cell in PART} == set(product(columns[first], columns[second]))
