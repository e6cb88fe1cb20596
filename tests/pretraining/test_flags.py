"""The flags of pretrain.py: what budgets are, and one line for what is wrong."""

import pytest

from pretraining.flags import OBJECTIVES, budgets_in, fixed, parse

TASKS = ("rte", "sentiment")


def test_budgets_are_read():
    assert budgets_in("0,250k,1M,2.5M,3G") == {"0": 0, "250k": 250000, "1M": 10**6, "2.5M": 2500000, "3G": 3 * 10**9}
    assert budgets_in("1.001k") == {"1.001k": 1001}  # 1001 but for a float's last bit


def test_masked_tokens_have_no_teacher_to_be_the_same():
    there = {name: fixed(parse(f"--out a --task rte --objective {name}".split(), TASKS)) for name in OBJECTIVES}
    assert there["distillation"].keys() - there["mlm"].keys() == {"teacher", "learns"}


def test_the_order_of_domains_makes_no_other_models():
    one, two, more = (fixed(parse(f"--out a --task rte --domains {names}".split(), TASKS))
                      for names in ("movie,tweets", "tweets,movie,tweets", "movie,tweets,news"))
    assert one == two != more
    assert fixed(parse("--out a --task rte,sentiment".split(), TASKS)) != fixed(
        parse("--out a --task sentiment,rte".split(), TASKS))


def test_many_tasks_are_in_this_program_s_help(capsys):
    with pytest.raises(SystemExit):
        parse("--out a --task squad".split(), tuple("abcdefgh"))
    assert capsys.readouterr().err == "pretrain.py: --task squad: no such task; pretrain.py --help lists all 8\n"


@pytest.mark.parametrize(("flags", "said"), [
    ("--task rte", "--out: name the folder"),
    ("--out a", "--task, --text: name tasks or files"),
    ("--out a --task ,", "--task ',': names nothing; give NAME[,NAME]"),
    ("--out a --task rte --text ,,", "--text ',,': names nothing"),
    ("--out a --task rte --domains ,", "--domains ',': names nothing"),
    ("--out a --task squad", "--task squad: must be one of rte, sentiment"),
    ("--out a --task rte --tokens 1M,250k", "--tokens '1M,250k': must rise, and 250k does not"),
    ("--out a --task rte --tokens 1M,1000k", "must rise, and 1000k does not"),
    ("--out a --task rte --tokens 1.2345k", "must be budgets as 0,250k,1M,4M"),
    ("--out a --task rte --tokens ../x", "must be budgets as 0,250k,1M,4M"),
    ("--out a --task rte --tokens ,", "must be budgets as 0,250k,1M,4M"),
    ("--out a --task rte --hidden 100", "--hidden 100: must be a multiple of 32"),
    ("--out a --task rte --layers 1000000000", "--layers 1000000000: must be a whole number from 1 (to 1000)"),
    ("--out a --task rte --max_length 1000000000", "--max_length 1000000000: must be a whole number from 8 (to 65536)"),
    ("--out a --task rte --batch_size 1000000000", "--batch_size 1000000000: must be a whole number from 1 (to 65536)"),
    ("--out a --task rte --vocab 50", "--vocab 50: must be a whole number from 100"),
    ("--out a --task rte --objective clm", "--objective: invalid choice: 'clm'"),
    ("--out a --task rte --objective mlm --teacher minilm", "--teacher minilm: --objective mlm has no teacher"),
    ("--out a --task rte --objective mlm --learns both", "--learns both: --objective mlm has no teacher; leave it out"),
    ("--out a --task rte --objective mlm --cache a/b", "--cache a/b: --objective mlm has no teacher"),
    ("--out a --task rte --teachr minilm", "unrecognized arguments: --teachr minilm; nearest: teacher"),
    ("--out a --text x/a.txt,y/a.csv", "--text x/a.txt,y/a.csv: would both be the domain text/a"),
    ("--out a --task rte --lr 0", "--lr 0.0: must be a number above 0"),
    ("--out a --task rte --layer 2", "unrecognized arguments: --layer 2; nearest: layers"),
])
def test_a_wrong_flag_is_one_line(flags, said, capsys):
    with pytest.raises(SystemExit) as stop:
        parse(flags.split(), TASKS)
    assert stop.value.code == 2
    told = capsys.readouterr().err
    assert said in told and told.count("\n") == 1
