"""The names of labels as checkpoints spell them: which output of a head means which label of a task."""

from collections.abc import Sequence

#: other names of a label, both without case, spaces and signs
_SYNONYMS = {
    "contradictory": "contradiction", "contradicts": "contradiction", "contradicted": "contradiction",
    "entails": "entailment", "entailed": "entailment", "nonentailment": "notentailment",
    "noentailment": "notentailment", "notentailed": "notentailment",
    "neg": "negative", "pos": "positive", "grammatical": "acceptable", "ungrammatical": "unacceptable",
    "notacceptable": "unacceptable", "paraphrase": "equivalent", "notparaphrase": "notequivalent",
    "nonequivalent": "notequivalent", "nonduplicate": "notduplicate", "no": "false", "yes": "true",
    "similarity": "score",
}


def output_order(names: Sequence[object], wanted: Sequence[str]) -> list[int] | None:
    """Return for each wanted label which output of a head with the outputs `names` means it.

    Case, spaces and signs (`not_entailment`, "Not Entailment") do not matter, known synonyms are one name. Outputs
    that have numbers only (LABEL_0, 0) are in the wanted order. None: the outputs mean other labels.
    """
    if unnamed(names):
        return list(range(len(wanted)))
    theirs, ours = ([_plain(name) for name in some] for some in (names, wanted))
    if sorted(theirs) != sorted(ours) or len(set(ours)) < len(ours):
        return None
    return [theirs.index(name) for name in ours]


def unnamed(names: Sequence[object]) -> bool:
    """Return whether a head's outputs have no names of their own, only their numbers."""
    return [_plain(name).removeprefix("label") for name in names] == [str(i) for i in range(len(names))]


def _plain(name: object) -> str:
    plain = "".join(filter(str.isalnum, str(name).casefold()))
    return _SYNONYMS.get(plain, plain)
