"""Which colour a method has: that of the common ones in every figure, whatever their schedule."""

from reports.style import METHODS, styles


def test_the_common_methods_have_their_colours_and_others_one_each():
    found = styles(["centralized-linear", "iid", "iid-linear", "noniid-linear-warmup0.1", "noniid-ties"])
    assert found["iid"] == METHODS["iid"] and found["noniid-linear-warmup0.1"] == METHODS["noniid"]
    assert found["centralized-linear"] == METHODS["centralized"]
    assert len({*found.values()}) == 5
