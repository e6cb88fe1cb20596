"""The step from one global vector to the next, beside the step to the plain mean of the round's updates.

Methods differ first of all in how far they step, so a fair comparison needs that length.
"""

import math
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Step:
    """The squared L2 norms of the step made and of the mean's, and their scalar product, as `norms.compare` has them.

    The mean is the one of all updates weighted by rows, whatever the method weighs them by. `scale`: what the step has
    been rescaled by.
    """

    square: float
    mean_square: float
    product: float
    scale: float = 1.0

    @property
    def norm(self) -> float:
        """The step's L2 norm."""
        return math.sqrt(self.square)

    @property
    def mean_norm(self) -> float:
        """The L2 norm of the mean's step."""
        return math.sqrt(self.mean_square)

    @property
    def ratio(self) -> float | None:
        """The step's norm over the mean's; None where the mean has not moved."""
        return self.norm / self.mean_norm if self.mean_square else None

    @property
    def cosine(self) -> float | None:
        """The cosine between the two; None where one of them is 0."""
        both = self.norm * self.mean_norm
        return max(-1.0, min(self.product / both, 1.0)) if both else None

    @property
    def to_match(self) -> float:
        """What the step is to be multiplied by to be as long as the mean's; 1 where it has no length."""
        return self.mean_norm / self.norm if self.square else 1.0

    def times(self, scale: float) -> "Step":
        """Return the step multiplied by `scale`."""
        return replace(self, square=self.square * scale * scale, product=self.product * scale, scale=self.scale * scale)

    def record(self, matched: bool) -> dict[str, float | None]:
        """Return what a round's record has of it, to 6 digits; how it was rescaled only where that was asked for."""
        values = {"norm": self.norm, "mean_norm": self.mean_norm, "ratio": self.ratio, "cosine": self.cosine,
                  **({"scale": self.scale} if matched else {})}
        return {name: None if value is None else float(f"{value:.6g}") for name, value in values.items()}
