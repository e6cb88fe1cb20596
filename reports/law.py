"""The law: does averaging gain more over standard fine-tuning, the better the representation that it starts from?

The law that the report looks for (Chung et al., FL@FM-NeurIPS 2023): the more representation power a model has, from
pre-training compute, diversity of data and vocabulary, the more averaging gains; above some power it gains at all. Here
representation power is measured: by a probe on the same rows (`reports/rungs.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from reports.axes import COMPUTE, POWER, WORDS, Axis, factor_rungs
from reports.comparing import adjusted_p
from reports.gains import Gain
from reports.intervals import LEVEL
from reports.lines import Line
from reports.rungs import Rung

FEWEST = 3  # places of rungs by which a law is decided: through two there is always a line


@dataclass(frozen=True)
class Point:
    """A rung's gain at its place on the axis."""

    rung: str
    x: float
    gain: Gain


@dataclass(frozen=True)
class Law:
    """A mixture's gains on one evaluation set against one axis, and the line through them.

    `line` is None with fewer than 2 different places, or no seed that all rungs have. `lacking`: {rung: why it gives no
    point}; `of_learnt`: the line through the points alone on which averaging has learnt, None where those are all,
    or too few; `corrected`: the slope's p value among those of the set's mixtures.
    """

    ladder: str
    evaluated: str
    in_domain: bool
    axis: Axis
    mixture: str
    points: list[Point]
    lacking: dict[str, str] = field(default_factory=dict)
    line: Line | None = None
    of_learnt: Line | None = None
    seeds: tuple[int, ...] = ()
    corrected: float | None = None

    @property
    def unlearnt(self) -> list[str]:
        """The rungs on which the baseline has learnt, and averaging has not."""
        return [point.rung for point in self.points if not point.gain.learnt]

    @property
    def has_interval(self) -> bool:
        """Whether anything is known of how the line varies."""
        return self.line is not None and (len(self.seeds) > 1 or self.over_rows)

    @property
    def over_rows(self) -> bool:
        """Whether the line's interval is over test rows, too: a seed at least has answers of all rungs."""
        draws = np.empty((0, 0, 0)) if self.line is None else self.line.gains[:, :, 1:]
        return draws.size > 0 and not np.isnan(draws).any((1, 2)).all()

    @property
    def places(self) -> int:
        """How many different places its points have."""
        return len({point.x for point in self.points})

    @property
    def p(self) -> float | None:
        """The p value of no slope, uncorrected; None where there is nothing to decide by: too few places or seeds."""
        return self.line.slope.p if self.line is not None and self.places >= FEWEST and len(self.seeds) > 1 else None

    @property
    def hangs_on_one(self) -> bool:
        """Whether the slope's sign is another one without some rung."""
        return self.line is not None and (ends := self.line.without_one) is not None and ends[0] * ends[1] <= 0

    @property
    def verdict(self) -> str:
        """Whether the gain grows along the axis: yes, no (it falls), or undecided."""
        if self.line is None or self.corrected is None or self.corrected > 1 - LEVEL or self.hangs_on_one:
            return "undecided"
        return "yes" if self.line.slope.mean > 0 else "no"


def laws(ladders: Mapping[str, Sequence[Rung]], further: Sequence[Axis] = ()) -> list[Law]:
    """Return the laws of ladders {name: rungs}, against `further` axes, too: by ladder, axis, evaluation set, mixture.

    Only axes on which two rungs have different places are there. p values are corrected (Holm) over the mixtures of one
    ladder, axis and set.
    """
    found = []
    for ladder, rungs in ladders.items():
        for axis, some in {**dict.fromkeys((POWER, COMPUTE, WORDS, *further), rungs), **factor_rungs(rungs)}.items():
            placed = {rung.name: (rung, place) for rung in some if (place := axis.place(rung)) is not None}
            if len({place for _, place in placed.values()}) < 2:
                continue
            keys = list(dict.fromkeys(key for rung, _ in placed.values() for key in rung.cells))
            for evaluated in dict.fromkeys(evaluated for evaluated, _ in keys):
                found += corrected([law(ladder, axis, key, list(placed.values()))
                                    for key in keys if key[0] == evaluated])
    return found


def law(ladder: str, axis: Axis, key: tuple[str, str], placed: list[tuple[Rung, float]]) -> Law:
    """Fit the line of one evaluation set and mixture, the `key`, through the rungs that have a gain there."""
    here = [(rung.name, place, rung.cells[key]) for rung, place in placed if key in rung.cells]
    lacking = {name: cell.lacking for name, _, cell in here if cell.lacking}
    lacking |= {rung.name: "no runs" for rung, _ in placed if key not in rung.cells}
    there = sorted((each for each in here if not each[2].lacking), key=lambda each: each[1])
    points = [Point(name, place, cell.gain) for name, place, cell in there]
    cells = [cell for *_, cell in there]
    seeds = tuple(sorted(set.intersection(*({*cell.by_seed} for cell in cells)))) if cells else ()
    evaluated, mixture = key
    in_domain = all(rung.cells[key].in_domain for rung, _ in placed if key in rung.cells)
    found = Law(ladder, evaluated, in_domain, axis, mixture, points, lacking, seeds=seeds)
    if not seeds:
        return found
    gains = stacked([[cell.by_seed[seed] for cell in cells] for seed in seeds])
    if not all(np.array_equal(cell.rows, cells[0].rows) for cell in cells):
        gains = gains[:, :, :1]  # draws of other rows are no draws of the same rows: over seeds alone
    x, learnt = np.array([point.x for point in points]), np.array([point.gain.learnt for point in points])
    return replace(found, line=line(x, gains), of_learnt=None if learnt.all() else line(x[learnt], gains[:, learnt]))


def line(x: np.ndarray, gains: np.ndarray) -> Line | None:
    """Return the line through gains [seeds, n, 1 + draws] at `x` [n]; None where no two places differ."""
    return Line(x, gains) if len({*x}) > 1 else None


def stacked(of_seeds: list[list[np.ndarray]]) -> np.ndarray:
    """Return gains [seeds, n, 1 + draws] of each seed's [1 + draws]; a seed that lacks some has draws that are NaN."""
    most = max(len(gains) for of_seed in of_seeds for gains in of_seed)
    found = np.full((len(of_seeds), len(of_seeds[0]), most), np.nan)
    for place, of_seed in enumerate(of_seeds):
        for rung, gains in enumerate(of_seed):
            found[place, rung, :len(gains)] = gains
    return found


def corrected(found: list[Law]) -> list[Law]:
    """Return the laws of one ladder, axis and set with p values after Holm's correction over those that have one."""
    after = adjusted_p({place: each.p for place, each in enumerate(found)})
    return [replace(each, corrected=after.get(place)) for place, each in enumerate(found)]
