"""TensorBoard's event files, in the run's folder `tensorboard/`: `tensorboard --logdir log` shows all runs."""

import shutil
from pathlib import Path

PACKAGE = "tensorboard"


class Tracker:
    """One run's event file; `flags` are its text."""

    def __init__(self, name: str, folder: Path, flags: dict) -> None:
        from torch.utils.tensorboard import SummaryWriter

        shutil.rmtree(folder / "tensorboard", ignore_errors=True)
        self.writer = SummaryWriter(str(folder / "tensorboard"))
        self.writer.add_text("flags", "\n".join(f"    {key} {value}" for key, value in flags.items()))

    def log(self, step: int, values: dict[str, float]) -> None:
        """Write a round's values, to be seen at once."""
        for key, value in values.items():
            self.writer.add_scalar(key, value, step)
        self.writer.flush()

    def close(self) -> None:
        """End the file."""
        self.writer.close()
