"""`--track NAME`: a run's metrics also go to utils/record/trackers/NAME.py. A tracker that fails ends no run."""

import importlib.util
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from statistics import fmean

from utils.config import RunConfig
from utils.console import NOTES
from utils.errors import UserError, in_short
from utils.plugins import TRACKERS
from utils.record.diagnosed import diagnosed


def check_tracker(name: str) -> None:
    """Raise UserError if a tracker cannot be used, or its package is not installed."""
    if name in TRACKERS.built_in:
        return
    tracker = TRACKERS.load(name)
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:  # a folder of this name, such as one that a tracker has made, is none
        raise UserError(f"--track {name}: its package is not installed; give `pip install {tracker.PACKAGE}`, or "
                        "leave it out")


def values_to_draw(record: dict, names: Sequence[str]) -> dict[str, float]:
    """Flatten a round's record, with the evaluation sets of these `names`, to what a tracker draws.

    Keys, of a set named `test`: `test/accuracy` (macro average), `test/pooled_accuracy`, `test/DOMAIN/accuracy`,
    likewise `test/loss`; then `train/loss` (mean over the clients), `seconds/PHASE`, and of a diagnosed round
    `diagnosis/jensen_gap`, `diagnosis/cosine`, `diagnosis/norm` and `diagnosis/barrier` (means).
    """
    values = {f"seconds/{phase}": value for phase, value in record["seconds"].items()}
    if record["clients"]:
        values["train/loss"] = fmean(client["loss"] for client in record["clients"])
    if "diagnosis" in record:
        values |= {f"diagnosis/{name}": value for name, value in diagnosed(record["diagnosis"]).items()}
    for name in names:
        result = record.get(name, {"domains": {}})
        domains = {f"{name}/{domain}": each for domain, each in result["domains"].items()}
        for path, source in {name: result, **domains}.items():
            values |= {f"{path}/{key}": value for key, value in source.items()
                       if key not in ("rows", "pooled", "domains")}
            values |= {f"{path}/pooled_{key}": value for key, value in source.get("pooled", {}).items()}
    return values


class Tracking:
    """The tracker of a run in `folder`, or none; `names` are those of its evaluation sets.

    `records` are the rounds that an earlier process has done. What a tracker raises is said once, and from then on
    nothing is sent to it.
    """

    def __init__(self, config: RunConfig, folder: Path, names: Sequence[str], records: Iterable[dict]) -> None:
        self.name = config.track
        self.names = names
        self.tracker = None
        if self.name not in TRACKERS.built_in:
            self._guarded(lambda: self._open(config, folder.resolve()))
            for record in records:
                self.round(record)

    def _open(self, config: RunConfig, folder: Path) -> None:
        module = TRACKERS.load(self.name)
        self.tracker = module.Tracker(folder.name, folder, {"method": config.method, **config.flags()})

    def round(self, record: dict) -> None:
        """Send a round's metrics."""
        if self.tracker:
            self._guarded(lambda: self.tracker.log(record["round"], values_to_draw(record, self.names)))

    def close(self) -> None:
        """End the tracker's run."""
        if self.tracker:
            self._guarded(self.tracker.close)

    def _guarded(self, act: Callable[[], None]) -> None:
        """Do `act`; what it prints goes to stderr, because stdout is for results alone."""
        try:
            with redirect_stdout(sys.stderr):
                act()
        except Exception as error:  # another's code, perhaps another's server: the run is worth more than its picture
            self.tracker = None
            NOTES.warning("--track %s: failed, and gets no more (%s: %s); the run's own record goes on", self.name,
                          type(error).__name__, in_short(error, 300))
