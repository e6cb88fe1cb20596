"""The rungs of a ladder: models on one task's same rows, of other representation power, compute, data or vocabulary."""

import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from reports.baselines import SCHEDULE, arm_of, averaging
from reports.gains import Gain, Judged, by_seed
from reports.pretrained import amount, differing, first_digit, in_words
from reports.pretraining import Pretraining, known_models, pretraining
from reports.records import Comparison, model_title, settings
from reports.sets_table import not_held_out


@dataclass(frozen=True)
class Cell:
    """A mixture's gain on one evaluation set: by seed, float64 [1 + draws] each, on draws of `rows`.

    `in_domain`: whether the set is of the domains that are trained on; `baseline_learnt`: whether the baseline is above
    the majority class there.
    """

    gain: Gain
    by_seed: dict[int, np.ndarray]
    rows: np.ndarray
    in_domain: bool
    baseline_learnt: bool

    @property
    def lacking(self) -> str:
        """Why it gives no point; "" where it does.

        Where fine-tuning has learnt and averaging has not, that is averaging's loss: a law without it would be one of
        the rungs on which averaging does well.
        """
        if not self.gain.differences or not self.gain.same_budget:
            return replace(self.gain, learnt=True).verdict  # that it has not learnt is no reason
        return "" if self.gain.learnt or self.baseline_learnt else "neither has learnt"


@dataclass(frozen=True)
class Rung:
    """A model on one task: `cells[set, mixture]` are its gains, `power` its probe's mean score on test rows in points.

    `power` is None without a probe. `pretrained`: with what, or why that is not known; `card`: its record of a
    pre-training in miniature.
    """

    name: str
    power: float | None
    pretrained: Pretraining | str
    card: dict | None
    cells: dict[tuple[str, str], Cell]


def ladders(judged: Sequence[Sequence[Judged]]) -> dict[str, list[Rung]]:
    """Return {task and settings: its rungs} of comparisons on each of their sets, test rows first."""
    known = known_models()
    groups: dict[tuple, list[Sequence[Judged]]] = defaultdict(list)
    for sets in judged:
        compared, run = sets[0].compared, sets[0].compared.first
        words = (f"{run.flag('max_length')} tokens", f"data {run.config['data_fingerprint']}", *compared.domains)
        groups[(compared.task, *settings(run, compared.apart)), words].append(sets)
    taken = Counter(title for title, _ in groups)
    return {", ".join((*title, *words * (taken[title] > 1))): rungs(some, known)
            for (title, words), some in groups.items()}


def rungs(judged: Sequence[Sequence[Judged]], known: dict[str, Pretraining]) -> list[Rung]:
    """Return the rungs of one task and setting."""
    names = rung_names([sets[0].compared for sets in judged])
    return [Rung(name, power(sets[0].compared), pretraining(sets[0].compared.first, known),
                 sets[0].compared.first.pretraining, dict(cells(sets)))
            for name, sets in zip(names, judged)]


def power(compared: Comparison) -> float | None:
    """Return the representation power: the mean score of its probe on test rows, in points; None without a probe.

    The probe is standard fine-tuning of the head alone (`--centralized --train head`); of several, the first.
    """
    for runs in compared.methods.values():
        if runs[0].flag("centralized") and runs[0].flag("train") == "head":
            return 100 * statistics.mean(map(compared.score, runs))
    return None


def cells(sets: Sequence[Judged]) -> dict[tuple[str, str], Cell]:
    """Return {(evaluation set, mixture): its cell} of a comparison on each set but the held-out rows."""
    found = {}
    for judged in not_held_out(sets):
        compared = judged.compared
        for mixture in dict.fromkeys(re.sub(f"{SCHEDULE}$", "", method) for method in averaging(compared)):
            arm = arm_of(compared, mixture, judged.named)
            if arm in judged.gains:
                baseline = judged.baselines[arm].name
                each = by_seed(compared, arm, baseline, judged.drawn.of) or {}
                found[compared.evaluated, mixture] = Cell(
                    judged.gains[arm][None], each, judged.drawn.rows,
                    not compared.first.out_of_domain(compared.evaluated), judged.learnt.get(baseline, False))
    return found


def rung_names(compared: Sequence[Comparison]) -> list[str]:
    """Return what figures call the models: of one pre-trained in miniature its tokens, and what few others have."""
    cards = [each.first.pretraining for each in compared]
    others = differing([card for card in cards if card is not None])
    facts = [None if card is None else (
        f"{len(card['domains'])} domain" + "s" * (len(card["domains"]) != 1),
        f"{amount(float(first_digit(card['vocabulary'])))} pieces",
        f"{card['layers']} x {card['hidden']}", card["objective"], ", ".join(in_words(card, others))) for card in cards]
    usual = [Counter(column).most_common(1)[0][0] for column in zip(*filter(None, facts))]
    names = [model_title(each.first) if fact is None or card is None else
             ", ".join((f"{amount(card['budget'])} tokens",
                        *(word for word, most in zip(fact, usual) if word and word != most)))
             for each, card, fact in zip(compared, cards, facts)]
    taken = Counter(names)
    return [name if taken[name] == 1 else each.title for name, each in zip(names, compared)]
