"""Parts of a vector that cut no tensor."""

from hypothesis import given
from hypothesis import strategies as st

from utils.vectors.layout import Layout, Place


def layout_of(lengths: list[int], gap: int) -> Layout:
    """Return tensors a0, a1, b2, b3, a4, … of `lengths`, with `gap` zeros after each."""
    places, start = [], 0
    for k, length in enumerate(lengths):
        places.append(Place(f"{'ab'[k // 2 % 2]}{k}", (length,), slice(start, start + length)))
        start += length + gap
    return Layout(start, tuple(places))


@given(st.lists(st.integers(1, 9), min_size=1, max_size=9), st.integers(0, 3), st.integers(1, 30))
def test_whole_parts_cover_the_vector_and_cut_no_unit(lengths, gap, size):
    layout = layout_of(lengths, gap)
    parts = list(layout.whole(lambda name: name[0], size))
    assert [0, *(part.stop for part in parts)] == [*(part.start for part in parts), layout.size]
    units: dict[int, list[Place]] = {}
    for k, place in enumerate(layout.places):
        units.setdefault(k // 2, []).append(place)
    ends = [*(unit[0].part.start for unit in list(units.values())[1:]), layout.size]
    for part in parts:
        inside = [unit for unit, end in zip(units.values(), ends)
                  if part.start <= unit[0].part.start and end <= part.stop]
        assert inside and inside[0][0].part.start == part.start  # begins and ends where units do
        assert part.stop - part.start <= size or len(inside) == 1  # longer than asked only for one unit
