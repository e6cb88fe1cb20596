"""A run's rows, opened: where the token cache may not be written."""

import os
import resource
import shutil
import sys

import pytest

from tests.loading import loaded
from tests.processes import outcome_of
from tests.tiny import tiny_once
from tests.toy import toy_table
from utils.config import RunConfig
from utils.data.dataset import TaskData
from utils.errors import UserError

LIMIT = resource.RLIMIT_FSIZE

OPENS_TWICE = """
import sys
from pathlib import Path
import numpy as np
import preprocess.common as preprocess
from tests.loading import loaded
from utils.data import tokens
from utils.config import RunConfig
from utils.console import notes_to_stderr
from utils.data.dataset import TaskData

notes_to_stderr()
data_dir, model, lent = sys.argv[1:]
spec = preprocess.load("rte").SPEC
tokenizer = loaded(model, spec)[1]
driver, worker, lonely = (TaskData(RunConfig(data="rte", data_dir=data_dir), spec) for _ in range(3))
driver.tokenise(tokenizer, False)
driver.lend(Path(lent))
assert driver.lent_bytes > 0
lonely.tokenise(tokenizer, False, Path(lent) / "absent")
tokens.tokenise = None  # a worker makes none of its own
worker.tokenise(tokenizer, False, Path(lent))
assert worker.lent_bytes == 0
for other in (worker, lonely):
    for key, found in driver.tokens.items():
        assert np.array_equal(found.ids, other.tokens[key].ids)
        assert np.array_equal(found.needed, other.tokens[key].needed)
"""


def test_a_data_folder_that_may_only_be_read(tmp_path, tmp_path_factory):
    """Root may write anywhere, so as root the right to is given up first."""
    prefix = ("setpriv", "--bounding-set=-dac_override") if os.geteuid() == 0 else ()
    if prefix and not shutil.which("setpriv"):
        pytest.skip("root, and no setpriv to give its rights up")
    folder = toy_table(tmp_path).folder
    model = tiny_once(tmp_path_factory.getbasetemp(), "bert")
    folder.chmod(0o555)
    try:
        done = outcome_of([*prefix, sys.executable, "-c", OPENS_TWICE, tmp_path, model, tmp_path / "lent"])
    finally:
        folder.chmod(0o755)
    assert done.returncode == 0, done.stderr
    for split in ("train", "dev"):
        assert (f"token cache {folder}/tokens cannot be written (Permission denied): the tokens of {split} are "
                "made for this run only") in done.stderr
    assert not (folder / "tokens").exists()


def test_a_disk_that_takes_no_more_is_an_error(tmp_path, tmp_path_factory):
    """It would take no record either. The kernel's limit of a file's size stands for the disk's."""
    spec = toy_table(tmp_path).spec
    tokenizer = loaded(tiny_once(tmp_path_factory.getbasetemp(), "bert"), spec)[1]
    data, (soft, hard) = TaskData(RunConfig(data="rte", data_dir=str(tmp_path)), spec), resource.getrlimit(LIMIT)
    resource.setrlimit(LIMIT, (1000, hard))
    try:
        with pytest.raises(UserError, match="token cache cannot be written .*free some space"):
            data.tokenise(tokenizer, False)
    finally:
        resource.setrlimit(LIMIT, (soft, hard))
    assert not list((tmp_path / "rte" / "tokens").iterdir())
