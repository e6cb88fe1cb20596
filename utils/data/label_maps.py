"""Which tasks ask one question, and what a label of the one is among those of the other."""

from dataclasses import dataclass

import numpy as np

from utils.data.task import TaskSpec

#: what a task's labels mean, in their order, where others say the same in other words, or in these something else
MEANINGS = {
    "qqp": ("not_paraphrase", "paraphrase"), "mrpc": ("not_paraphrase", "paraphrase"),
    "qnli": ("answers", "answers_not"),  # its "entailment" is a sentence that answers a question
}
#: a label → the one that says less, of tasks that do not tell it from others: two-way inference (as HANS has it)
COARSER = {"neutral": "not_entailment", "contradiction": "not_entailment"}


@dataclass(frozen=True)
class LabelMap:
    """What makes rows of another task rows of the one that is trained on.

    Of a class, `labels[k]` is the trained task's label that label k counts as. Where the other task does not tell some
    of the trained task's labels apart, `alike[c]` is the first of those that label c counts as, in a prediction too;
    () where it tells all apart. A score s counts as `factor`·s + `shift`.
    """

    labels: tuple[int, ...] = ()
    alike: tuple[int, ...] = ()
    factor: float = 1.0
    shift: float = 0.0

    def of(self, labels: np.ndarray) -> np.ndarray:
        """Return the labels (float64 [rows]; class indices, or scores) as those of the trained task."""
        if self.labels:
            return np.array(self.labels, np.float64)[labels.astype(np.int64)]
        return self.factor * labels + self.shift


def label_map(spec: TaskSpec, other: TaskSpec) -> LabelMap | None:
    """Return what makes rows of the task `other` rows of `spec`; None where the two ask something else.

    Labels of one meaning go together, and each must have its partner on the other side, if only a coarser one.
    """
    if other.name == spec.name:
        return LabelMap()
    if (other.kind, len(other.text)) != (spec.kind, len(spec.text)):
        return None
    if spec.kind == "regression":
        if not spec.scale or not other.scale:
            return None
        (low, high), (other_low, other_high) = spec.scale, other.scale
        factor = (high - low) / (other_high - other_low)
        return LabelMap(factor=factor, shift=low - factor * other_low)
    mine, theirs = (MEANINGS.get(each.name, each.labels) for each in (spec, other))
    partners = [_partners(word, mine) for word in theirs]
    if not all(partners) or not all(_partners(word, theirs) for word in mine):
        return None
    alike = [*range(len(mine))]
    for first, *others in partners:
        for each in others:
            alike[each] = first
    return LabelMap(tuple(first for first, *_ in partners), tuple(alike) if len({*alike}) < len(mine) else ())


def _partners(word: str, words: tuple[str, ...]) -> list[int]:
    """Return which of `words` mean what `word` does: the same one, else a coarser one, or all finer ones."""
    if word in words:
        return [words.index(word)]
    coarser = COARSER.get(word)
    return [k for k, each in enumerate(words) if each == coarser or COARSER.get(each) == word]
