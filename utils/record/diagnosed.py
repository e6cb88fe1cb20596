"""What a round's `diagnosis` comes to, in one number for each thing that was measured."""

from statistics import fmean


def diagnosed(diagnosis: dict) -> dict[str, float]:
    """Return the `jensen_gap` of a round's diagnosis, and the means of its pairs' `cosine`, its `norm`s and `barrier`s.

    What was no finite number, or is of pairs where one client trained, is left out.
    """
    several = {"jensen_gap": [diagnosis["jensen_gap"]],
               "cosine": [value for k, row in enumerate(diagnosis["cosines"]) for value in row[k + 1:]],
               "norm": diagnosis["norms"], "barrier": [each["value"] for each in diagnosis["barriers"]]}
    known = {name: [value for value in values if value is not None] for name, values in several.items()}
    return {name: fmean(values) for name, values in known.items() if values}
