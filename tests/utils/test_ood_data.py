"""What `--ood_data` takes, and what a set that it names is called."""

import pytest

from utils.config import RunConfig
from utils.errors import UserError
from utils.ood_data import Asked, asked_sets


def test_sets_come_in_the_order_given_with_names_that_files_can_have():
    found = asked_sets("hans,mnli:dev_mismatched,xnli:test@de,xnli@zh")
    assert found == (Asked("hans"), Asked("mnli", "dev_mismatched"), Asked("xnli", "test", "de"),
                     Asked("xnli", domain="zh"))
    assert [each.name for each in found] == ["hans", "mnli-dev_mismatched", "xnli-test-de", "xnli-zh"]
    assert ",".join(map(str, found)) == "hans,mnli:dev_mismatched,xnli:test@de,xnli@zh"
    assert asked_sets("") == ()


@pytest.mark.parametrize("wrong", [",", "hans,", "hans, rte", "../rte", "rte:", "rte@", "rte:dev:test", "rte@a@b",
                                   "rte@a:dev", "rte@a/b", "rte,hans,rte", "mnli:a-b,mnli:a@b"])
def test_what_is_no_list_of_different_sets_is_refused(wrong):
    with pytest.raises(UserError, match=r"^--ood_data .*: must be NAME\[:split\]\[@domain\], each once, with commas"):
        RunConfig(ood_data=wrong)
