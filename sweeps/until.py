"""Seeds one by one until the headline of a study is decided: a rule that is fixed before the first look."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from reports.baselines import is_baseline
from reports.gains import judge, of_all
from reports.records import read_records
from reports.rule import FILE, FIRST_LOOK, Look, Rule, read_rule, write_rule
from reports.sentences import headline_method
from sweeps.study import PlannedRun, Study
from utils.console import NOTES
from utils.errors import UserError

RULE = ("--until decided: the gain in the headline is looked at after %d seeds and after each further one, up to %d; "
        "the looks share a 5 %% chance of calling a gain decided that is none: the k-th of n has (k/n)^3 - ((k-1)/n)^3 "
        "of it (docs/study.md has the rate in simulations)")
#: what a look finds, and what that says of the headline
FOUND = {"decided": "is decided", "undecided": "is not decided", "": "is not looked at",
         "other budget": "cannot be decided: its baselines trained on other numbers of rows"}


def check_until(study: Study, runs: Sequence[PlannedRun], at_most: int) -> None:
    """Say the rule. Raises UserError unless there are seeds to go on from, room for more, and a gain to decide.

    What was fixed before an earlier look at the study's records stands.
    """
    least = max(FIRST_LOOK, len(study.seeds))
    if not study.seeds:
        raise UserError(f"{study.path}: --until decided: there are no seeds to go on from; give seed = [1, 2, 3] in "
                        "[grid]")
    if at_most < least:
        raise UserError(f"--at_most {at_most}: must be a number of seeds from {least}")
    if all(is_baseline(run.config.method) for run in runs):
        raise UserError(f"{study.path}: --until decided: no method averages, so there is no gain to decide; give "
                        "[methods.iid] lang_mix = 0.99, say")
    if not any(is_baseline(run.config.method) for run in runs):
        raise UserError(f"{study.path}: --until decided: there is no baseline that a gain could be over; give baselines"
                        ' = ["centralized-linear"], say')
    if rule := read_rule(study.folder):
        if at_most != rule.at_most:
            raise UserError(f"--at_most {at_most}: {study.folder / FILE} has {rule.at_most}, fixed before the first "
                            "look; give that, or another --out")
        first = rule.looks[0].seeds
        if (*study.seeds,) != first[:len(study.seeds)]:
            raise UserError(f"{study.path}: grid.seed: the first look of {study.folder / FILE} was at "
                            f"{', '.join(map(str, first))}; give these, or another --out")
    NOTES.info(RULE, FIRST_LOOK, at_most)


def further(study: Study, at_most: int) -> Iterator[Study]:
    """Yield the study on one seed more, from the largest on, until it has `at_most`."""
    seeds = study.seeds
    while len(seeds) < at_most:
        seeds = [*seeds, max(seeds) + 1]
        yield study.with_seeds(seeds)


def look(study: Study, runs: Sequence[PlannedRun], at_most: int) -> str:
    """Return one of FOUND: what the look at the study's seeds finds, which is written down; "" for too few seeds.

    The runs have all ended. What an earlier look at the same seeds has found stands.
    """
    seeds = tuple(study.seeds)
    if len(seeds) < FIRST_LOOK:
        return ""
    rule = read_rule(study.folder) or Rule(at_most)
    found = {each.seeds: each.result for each in rule.looks}
    if not found.get(seeds):
        found[seeds] = ""
        write_rule(study.folder, now := replace(rule, looks=tuple(Look(*each) for each in found.items())))
        found[seeds] = finding(study, runs)
        write_rule(study.folder, replace(now, looks=tuple(Look(*each) for each in found.items())))
    return found[seeds]


def finding(study: Study, runs: Sequence[PlannedRun]) -> str:
    """Return whether the headline gain of each comparison is decided, as the report of these runs has it."""
    all_judged = [judge(compared) for compared in read_records([run.folder for run in runs], study.tuned).comparisons]
    gains = of_all(all_judged)
    headlines = [gains.get((place, headline_method(judged))) for place, judged in enumerate(all_judged)]
    if any(gain and gain.differences and not gain.same_budget for gain in headlines):
        return "other budget"
    return "decided" if all(gain and gain.verdict in ("ahead", "behind") for gain in headlines) else "undecided"
