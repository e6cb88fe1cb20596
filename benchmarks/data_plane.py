"""The data plane: rounds without any training, of this program and of stock Flower, and the driver's memory.

    python -m benchmarks.data_plane

benchmarks/no_training.py and `benchmarks/stock_flower.py --no_train` in turn, each as a process of its own. In the
first rounds each worker meets each buffer for the first time, so the rounds of the second half are the warm ones;
the figures are their medians, for both programs.
"""

import argparse
import statistics
import sys

from benchmarks.common import Figure, Outcome, parser, report, timed_lines

#: parameters of MiniLM, bert-base-uncased and bert-large-uncased with two labels
MINILM, BASE, LARGE = 22_713_986, 109_483_778, 335_143_938
ALLOWED = 0.5e9  # bytes of a driver beside two vectors


def run(*flags: object) -> Outcome:
    """Return a run without training of this program."""
    return timed_lines([sys.executable, "-m", "benchmarks.no_training", *flags])


def warm(outcome: Outcome) -> float:
    """Return the median seconds of the second half of the rounds."""
    outcome.line("round=2")  # raises if the run failed
    rounds = [text for _, text in outcome.lines if text.startswith("round=")]
    return statistics.median(float(text.split("seconds=")[1].split()[0]) for text in rounds[len(rounds) // 2:])


def memory(what: str, outcome: Outcome, size: int) -> Figure:
    """Return the driver's peak as a figure with its target."""
    return Figure.at_most(f"{what}: driver's peak memory", outcome.peak_bytes / 1e9, "GB",
                          round((2 * 4 * size + ALLOWED) / 1e9, 2))


def measure(options: argparse.Namespace) -> list[Figure]:
    """Run all of it; with `--small` the three clients of one size only."""
    base, rounds = 20_000 if options.small else BASE, ["--rounds", options.rounds]
    stock = timed_lines([sys.executable, "-m", "benchmarks.stock_flower", "--no_train", "--n_clients", 3, *rounds,
                         *(["--random_config", "64x1"] if options.small else [])])
    ours, by_message = (run("--size", base, *rounds, "--transport", kind) for kind in ("reference", "message"))
    digests = {outcome.line(f"round={options.rounds}")[1].split("digest=")[1] for outcome in (ours, by_message)}
    what = "110 M parameters, 3 clients, no training"
    figures = [
        Figure(f"{what}: warm round, stock Flower", warm(stock), "s"),
        Figure.at_most(f"{what}: warm round", warm(ours), "s", 1.0),
        Figure.at_least(f"{what}: times faster", warm(stock) / warm(ours), "×", 8),
        Figure(f"{what}: warm round by --transport message", warm(by_message), "s"),
        Figure(f"{what}: averages that differ between the transports", len(digests) - 1, "", "0", len(digests) == 1),
        Figure(f"{what}: stock Flower's driver's peak memory", stock.peak_bytes / 1e9, "GB"),
        memory(what, ours, base)]
    if options.small:
        return figures
    figures.append(memory(what.replace("3", "30"), run("--size", base, "--clients", 30, "--rounds", 2), base))
    big = run("--size", LARGE, *rounds)
    what = "340 M parameters, 3 clients, no training"
    return [*figures, Figure.at_most(f"{what}: warm round", warm(big), "s", 3.5), memory(what, big, LARGE)]


def main() -> None:
    """Measure and report."""
    flags = parser(__doc__)
    flags.add_argument("--rounds", type=int, default=6)
    options = flags.parse_args()
    report("data_plane", measure(options), options)


if __name__ == "__main__":
    main()
