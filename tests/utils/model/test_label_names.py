"""Labels as checkpoints spell them, in a task's order."""

import pytest

from utils.model.label_names import output_order

NLI = ("entailment", "neutral", "contradiction")


@pytest.mark.parametrize(("names", "wanted", "order"), [
    (NLI, NLI, [0, 1, 2]),
    (("CONTRADICTION", "NEUTRAL", "ENTAILMENT"), NLI, [2, 1, 0]),
    (("neutral", "Contradictory", "entails"), NLI, [2, 0, 1]),
    (("Not Entailment", "entailment"), ("entailment", "not_entailment"), [1, 0]),
    (("non-entailment", "Entailment"), ("entailment", "not_entailment"), [1, 0]),
    (("POSITIVE", "NEGATIVE"), ("negative", "positive"), [1, 0]),
    (("pos", "neg"), ("negative", "positive"), [1, 0]),
    (("yes", "no"), ("False", "True"), [1, 0]),
    ((True, False), ("False", "True"), [1, 0]),
    (("equivalent", "not-equivalent"), ("not_equivalent", "equivalent"), [1, 0]),
    (("similarity",), ("score",), [0]),
    (("LABEL_0", "LABEL_1", "LABEL_2"), NLI, [0, 1, 2]),
    (("label_0", "label_1"), ("entailment", "not_entailment"), [0, 1]),
    ((0, 1), ("negative", "positive"), [0, 1]),
    (("LABEL_0", "LABEL_1"), NLI, [0, 1, 2]),  # a config without a head says two
    (NLI, ("entailment", "not_entailment"), None),
    (("negative", "neutral", "positive"), ("negative", "positive"), None),
    (("unacceptable", "acceptable"), ("entailment", "not_entailment"), None),
    (("toxicity",), ("score",), None),
    (("positive", "pos"), ("negative", "positive"), None),
])
def test_outputs_are_found_by_name(names, wanted, order):
    assert output_order(names, wanted) == order
