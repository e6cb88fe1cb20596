"""Long runs: what the driver and the workers hold after a few rounds, and after hundreds.

    python -m benchmarks.long_run                            300 rounds of a tiny model

Resident memory (RSS less the pages that processes share), open files and threads of the driver and of the sum of its
workers, and the bytes in the run's shared memory, each as the median of samples after round WARM and at the end.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.common import ROOT, Figure, parser, report
from benchmarks.rows import toy_flags, workspace
from utils.machine.scratch import PREFIX

WARM = 30  # rounds
SAMPLES = 15  # rounds whose samples make a figure
GROWTH = 1.05  # at most so many times more at the end


def sample(pid: int, folder: Path) -> dict[str, float]:
    """Return what the run's processes hold now: megabytes, files, threads."""
    from tests.processes import workers

    scratch = [file for base in ("/dev/shm", tempfile.gettempdir()) for file in Path(base).glob(f"{PREFIX}{pid}-*/*")]
    held = {"shared memory, MB": sum(file.stat().st_blocks * 512 for file in scratch if file.is_file()) / 1e6}
    for name, pids in (("driver", [pid]), ("workers", workers(pid))):
        status = ["".join(Path(f"/proc/{each}/smaps_rollup").read_text()) for each in pids]
        private = [sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Private"))
                   for text in status]
        held |= {f"{name}: memory, MB": sum(private) / 1e3,
                 f"{name}: open files": sum(len(list(Path(f"/proc/{each}/fd").iterdir())) for each in pids),
                 f"{name}: threads": sum(len(list(Path(f"/proc/{each}/task").iterdir())) for each in pids)}
    return held


def measure(rounds: int, folder: Path) -> list[dict[str, float]]:
    """Run `rounds` rounds; return a sample for each one seen."""
    flags = [*toy_flags(folder), "--max_length", 32, "--n_iterations", rounds, "--skip_evalnum", 10, "--run_dir",
             folder / "run", "--optimizer_state", "keep"]
    process = subprocess.Popen([sys.executable, "main_lm.py", *map(str, flags)], cwd=ROOT, text=True,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None  # a pipe
    samples = []
    for line in process.stderr:
        if line.startswith("round ") and process.poll() is None:
            samples.append(sample(process.pid, folder))
    if process.wait():
        raise RuntimeError(f"the run failed: exit code {process.returncode}")
    return samples


def main() -> None:
    """Measure and report."""
    flags = parser(__doc__)
    flags.add_argument("--rounds", type=int, default=300)
    options = flags.parse_args()
    rounds, warm = (12, 4) if options.small else (options.rounds, WARM)
    with workspace() as folder:
        began = time.perf_counter()
        samples = measure(rounds, Path(folder))
        seconds = time.perf_counter() - began
    few = min(SAMPLES, len(samples) // 3)
    figures = [Figure(f"{rounds} rounds of a tiny model", seconds, "s")]
    for name in samples[-1]:
        early, late = (statistics.median(each[name] for each in part)
                       for part in (samples[warm:warm + few], samples[-few - 1:-1]))
        figures.append(Figure.at_most(f"{name}: {early:.4g} after {warm} rounds, {late:.4g} at the end",
                                      late / early, "×", GROWTH))
    report("long_run", figures, options)


if __name__ == "__main__":
    main()
