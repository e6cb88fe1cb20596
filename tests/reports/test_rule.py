"""The rule for adding seeds: its looks' parts of the error, its file, and the report of a study that went by it."""

import numpy as np
import pytest

from reports.contents import contents
from reports.intervals import interval
from reports.page import runs_section
from reports.records import read_records
from reports.rule import FILE, Look, Rule, read_rule, share, write_rule
from tests.reports.toy_records import write_run
from utils.errors import UserError


def test_the_looks_shares_of_the_error_add_up():
    assert sum(share(seeds, 10) for seeds in range(3, 11)) == pytest.approx(0.05)
    assert share(3, 3) == pytest.approx(0.05) and share(10, 10) > 10 * share(3, 10)


def test_seeds_are_added_until_decided_and_seldom_wrongly():
    """Without any gain, 2,000 studies of at most 8 seeds; looks at each level of 5 % are wrong in three times as many.
    """
    random = np.random.default_rng(5)

    def wrong(level):
        looks = [[interval(study[:seeds, None]) for seeds in range(3, 9)] for study in studies]
        return np.mean([any(abs(found.mean) > found.half_width(level(found.seeds)) for found in each)
                        for each in looks])

    studies = random.normal(size=(2000, 8))
    assert 0.015 < wrong(lambda seeds: share(seeds, 8)) < 0.05
    assert wrong(lambda seeds: 0.05) > 0.1


GAINS = (5.0, 6.5, 4.0, -30.0)  # of the first three seeds: p 0.02


@pytest.fixture
def study(tmp_path):
    for seed, gain in enumerate(GAINS, start=1):
        write_run(tmp_path / f"centralized-seed{seed}", "centralized", seed, (0.5, 0.6))
        write_run(tmp_path / f"iid-seed{seed}", "iid", seed, (0.5 + gain / 100, 0.6 + gain / 100))
    return tmp_path


@pytest.mark.parametrize("at_most, verdict, headline", [
    (3, "ahead", "Averaging beats standard fine-tuning by 5.2 ± 3.1 points on toy, m (iid), 3 seeds, added until "
                 "decided, 3 at most"),
    (10, "undecided", "Averaging is 5.2 ± 73.5 points ahead of standard fine-tuning on toy, m (iid): undecided with 3 "
                      "seeds, added until decided, 10 at most")])
def test_a_report_is_of_the_last_looks_seeds_and_its_part_of_the_error(study, at_most, verdict, headline):
    write_rule(study, Rule(at_most, (Look((1, 2, 3), "undecided"),)))
    records = read_records([study])
    found = contents(records)
    [[judged]] = found.judged
    assert judged.gains["iid"][None].verdict == verdict and found.headline == headline
    assert (judged.gains["iid"][None].interval.low > 0) is (verdict == "ahead")
    assert "Seeds were added until the headline is decided" in found.text()
    assert found.text().endswith(f"has not looked at, not counted\n\n- {study}/centralized-seed4\n- {study}/iid-seed4")
    assert runs_section(records).count("finished, not counted: a seed that the rule has not looked at") == 2


def test_without_a_rule_all_seeds_count(study):
    [compared] = read_records([study]).comparisons
    assert compared.rule is None and compared.alpha == pytest.approx(0.05) and len(compared.methods["iid"]) == 4


def test_of_several_rules_the_strictest_holds(study, tmp_path):
    other = tmp_path / "other"
    write_run(other / "iid", "noniid", 1, (0.5, 0.5))
    write_rule(study, Rule(5, (Look((1, 2, 3, 4)),)))
    write_rule(other, Rule(10, (Look((1, 2, 3)),)))
    [compared] = read_records([study]).comparisons
    assert compared.rule.at_most == 10 and len(compared.methods["iid"]) == 4


@pytest.mark.parametrize("text, message", [
    ("{\n", " line 1: is not JSON, or broken off"),
    ('{"at_most": 10}', "lacks 'looks'"), ('{"at_most": 9, "looks": []}', "no look"),
    ('{"at_most": 9, "looks": [3]}', "looks must hold objects"),
    ('{"at_most": 9, "looks": [{"seeds": [1, 2, 3]}]}', "lacks 'result'"),
    ('{"at_most": 9, "looks": [{"seeds": "1", "result": ""}]}', "seeds: must be a list of numbers"),
    ('{"at_most": 9, "looks": [{"seeds": [1, 2], "result": ""}]}', "a look is at 3 to 9 seeds, and one is at 2")])
def test_a_malformed_rule_names_its_file(tmp_path, text, message):
    (tmp_path / FILE).write_text(text)
    with pytest.raises(UserError, match=f"{tmp_path / FILE}.*{message}"):
        read_rule(tmp_path)


def test_a_rule_is_read_as_it_was_written(tmp_path):
    rule = Rule(7, (Look((1, 2, 5), "undecided"), Look((1, 2, 5, 6), "")))
    assert read_rule(tmp_path) is None
    write_rule(tmp_path, rule)
    assert read_rule(tmp_path) == rule
