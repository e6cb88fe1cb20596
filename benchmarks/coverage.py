"""How often the report's interval of a gain holds the truth, and how often seeds are added until a wrong decision.

    python -m benchmarks.coverage                      about 7 minutes on one core

Made-up answers of two methods, of which the truth is known: 400 test rows in four domains, ten seeds. A model's answer
to a row is its strength times the row's signal, plus noise; strength varies from seed to seed, and a part of the
noise's variance is a method's own on that row whatever the seed. How much seeds and rows vary is set in WORLDS. For
accuracy, F1 and Matthews the signal is the label, ±1, and the answer's sign is the prediction; for Pearson it is a
score. The truth is the mean over all seeds of the score over all rows, in closed form but for that mean.

Lines through the gains of LADDER rungs, whose probes' scores on the same rows are their places, are counted by the
truth's own line: the least-squares line of the true gains at the true places.

Gains over the strongest of several baselines, chosen on held-out rows of the same runs, are benchmarks/strongest.py's.

Coverage is counted for the report's interval (reports/intervals.py), for the same variance with Satterthwaite's
degrees of freedom, and for the percentiles of draws of seeds and rows (Owen 2007).
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, stdtrit

from benchmarks.common import Figure, parser, report
from benchmarks.strongest import BASELINES, over_the_strongest
from reports.answers import Answers
from reports.intervals import LEVEL, Interval, interval
from reports.lines import Line
from reports.resampling import Resampling
from reports.rule import FIRST_LOOK, share

METRICS = ("accuracy", "f1", "matthews", "pearson")
SEEDS = (3, 5, 10)
DOMAINS = ("a", "b", "c", "d")
ROWS, DRAWS = 400, 400
PRIOR = 0.35  # part of the rows that are of class 1
STRENGTH, GAIN = 1.0, 0.15  # the baseline's, and what the method has more where coverage is counted
LADDER = tuple((probe, probe + 0.3, probe + 0.3 + 0.4 * (probe - 0.8))  # strengths of probe, baseline and method
               for probe in (0.4, 0.6, 0.75, 0.9, 1.2))


@dataclass(frozen=True)
class World:
    """What varies: the strength's standard deviation over seeds, and the part of the noise that is a row's own."""

    by_seeds: float
    by_rows: float


WORLDS = {"seeds vary most": World(0.25, 0.1), "seeds and rows vary": World(0.1, 0.9),
          "rows vary most": World(0.01, 0.95), "rows vary anew with each seed": World(0.01, 0.1)}


def truth(metric: str, strength: float, world: World) -> float:
    """Return the mean over seeds of a method's score on all rows there could be."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    strong = strength + world.by_seeds * nodes
    hits, false = ndtr(strong), ndtr(-strong)  # the parts of the rows of class 1, and of class 0, called 1
    called = PRIOR * hits + (1 - PRIOR) * false
    scores = {"accuracy": PRIOR * hits + (1 - PRIOR) * (1 - false), "f1": 2 * PRIOR * hits / (called + PRIOR),
              "matthews": (hits - false) * np.sqrt(PRIOR * (1 - PRIOR) / (called * (1 - called))),
              "pearson": strong / np.sqrt(strong ** 2 + 1)}
    return float(scores[metric] @ weights / weights.sum())


def gains(metric: str, gain: float, world: World, random: np.random.Generator) -> np.ndarray:
    """Return the gains of SEEDS[-1] made-up seeds, [seeds, 1 + DRAWS], as `interval` takes them."""
    seeds = SEEDS[-1]
    signal = signals(metric, random)
    runs = [run for strength in (STRENGTH + gain, STRENGTH)
            for run in answers(metric, signal, strength, world, seeds, random)]
    resampling = Resampling(runs, DRAWS)
    scores = [resampling.scores(metric, run).macro for run in runs]
    return np.stack(scores[:seeds]) - np.stack(scores[seeds:])


def signals(metric: str, random: np.random.Generator) -> np.ndarray:
    """Return the signal of each made-up row."""
    return random.normal(size=ROWS) if metric == "pearson" else np.where(random.random(ROWS) < PRIOR, 1.0, -1.0)


def answers(metric: str, signal: np.ndarray, strength: float, world: World, seeds: int,
            random: np.random.Generator) -> list[Answers]:
    """Return the answers of a method's seeds to rows of this signal."""
    domain, noise = np.repeat(np.arange(len(DOMAINS)), ROWS // len(DOMAINS)), random.normal(size=ROWS)
    runs = []
    for _ in range(seeds):
        answer = (strength + world.by_seeds * random.normal()) * signal + np.sqrt(world.by_rows) * noise + np.sqrt(
            1 - world.by_rows) * random.normal(size=ROWS)
        known, said = (signal, answer) if metric == "pearson" else (1.0 * (signal > 0), 1.0 * (answer > 0))
        runs.append(Answers(np.arange(ROWS), DOMAINS, domain, known, said, np.zeros(ROWS)))
    return runs


def line(world: World, seeds: int, random: np.random.Generator) -> Line:
    """Return the line through the gains of made-up rungs at their probes' scores, as the report has it."""
    signal = signals("accuracy", random)
    arms = [[answers("accuracy", signal, strength, world, seeds, random) for strength in rung] for rung in LADDER]
    resampling = Resampling([runs[0] for runs in arms[0]], DRAWS)
    scores = np.array([[[resampling.scores("accuracy", run).macro for run in runs] for runs in rung] for rung in arms])
    return Line(100 * scores[:, 0, :, 0].mean(1), (scores[:, 2] - scores[:, 1]).transpose(1, 0, 2))


def true_line(world: World) -> Line:
    """Return the line through the true gains of the rungs at their probes' true scores."""
    scores = np.array([[truth("accuracy", strength, world) for strength in rung] for rung in LADDER])
    return Line(100 * scores[:, 0], (scores[:, 2] - scores[:, 1])[None, :, None])


def line_coverage(world: World, trials: int) -> dict[tuple[int, str], float]:
    """Return {(seeds, slope or zero): part of the trials in which the report's interval holds the truth}."""
    random, holds, true = np.random.default_rng(2), defaultdict(list), true_line(world)
    zero = true.crossing.at if true.crossing else 0.0
    for _ in range(trials):
        for seeds in SEEDS[:2]:
            found = line(world, seeds, random)
            height = found.at(zero)  # Fieller's interval holds just the places where this one holds zero
            holds[seeds, "slope"].append(found.slope.low <= true.slope.mean <= found.slope.high)
            holds[seeds, "zero"].append(height.low <= 0 <= height.high)
    return {key: float(np.mean(all_of_it)) for key, all_of_it in holds.items()}


def estimates(each: np.ndarray, random: np.random.Generator) -> Iterator[tuple[str, float, float]]:
    """Yield (estimator, low, high) of the gains' mean."""
    found = interval(list(each))
    yield "the report's", found.low, found.high
    half = satterthwaite(found)
    yield "Satterthwaite's", found.mean - half, found.mean + half
    seeds = random.integers(0, len(each), (DRAWS, len(each)))
    means = each[seeds, np.arange(1, 1 + DRAWS)[:, None]].mean(1)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    yield "percentiles", float(low), float(high)


def satterthwaite(found: Interval) -> float:
    """Return the half-width by Student's t with Satterthwaite's degrees of freedom for the sum of both parts."""
    variance = found.by_seeds + max(0.0, found.by_rows - found.both)
    freedom = (found.seeds - 1) * (variance / max(found.by_seeds, 1e-12)) ** 2
    return float(stdtrit(min(freedom, 1e9), (1 + LEVEL) / 2) * np.sqrt(variance))


def coverage(metric: str, world: World, trials: int) -> dict[tuple[int, str], float]:
    """Return {(seeds, estimator): part of the trials in which its interval holds the true gain}."""
    random, holds = np.random.default_rng(0), defaultdict(list)
    true = truth(metric, STRENGTH + GAIN, world) - truth(metric, STRENGTH, world)
    for _ in range(trials):
        each = gains(metric, GAIN, world, random)
        for seeds in SEEDS:
            for name, low, high in estimates(each[:seeds], random):
                holds[seeds, name].append(low <= true <= high)
    return {key: float(np.mean(all_of_it)) for key, all_of_it in holds.items()}


def wrong_decisions(world: World, trials: int) -> tuple[float, float]:
    """Return in which part of the studies without any gain seeds are added until it is called decided: by the rule,
    and where every look takes the interval as it is.
    """
    random, by_rule, by_every_look = np.random.default_rng(1), 0, 0
    for _ in range(trials):
        each = gains("accuracy", 0.0, world, random)
        looks = [interval(list(each[:seeds])) for seeds in range(FIRST_LOOK, len(each) + 1)]
        by_rule += any(abs(found.mean) > found.half_width(share(found.seeds, len(each))) for found in looks)
        by_every_look += any(abs(found.mean) > found.half_width() for found in looks)
    return by_rule / trials, by_every_look / trials


def main() -> None:
    """Measure and report."""
    flags = parser(__doc__)
    flags.add_argument("--trials", type=int, default=0, help="made-up studies of each kind (default: 1000; small: 20)")
    options = flags.parse_args()
    trials = options.trials or (20 if options.small else 1000)
    figures = []
    for name, world in WORLDS.items():
        for metric in METRICS:
            for (seeds, estimator), part in coverage(metric, world, trials).items():
                target = ("92 to 98 %", 0.92 <= part <= 0.98) if estimator == "the report's" else ("", None)
                figures.append(Figure(f"{name}, {metric}, {seeds} seeds: {estimator}", 100 * part, "%", *target))
        for (seeds, what), part in line_coverage(world, max(2, trials * 3 // 10)).items():
            figures.append(Figure(f"{name}, accuracy, {seeds} seeds: the {what} of a line through {len(LADDER)} rungs",
                                  100 * part, "%", "92 to 98 %", 0.92 <= part <= 0.98))
        rule, every_look = wrong_decisions(world, trials)
        what = f"{name}: no gain, called decided at one of the looks at 3 to {SEEDS[-1]} seeds"
        figures += [Figure.at_most(f"{what}, by the rule", 100 * rule, "%", 5),
                    Figure(f"{what}, by the interval of each", 100 * every_look, "%")]
    for baselines in BASELINES:
        figures += [Figure(f"no gain over the strongest of {baselines} baselines, {what}", 100 * part, "%")
                    for what, part in over_the_strongest(baselines, trials).items()]
    report("coverage", figures, options)


if __name__ == "__main__":
    main()
