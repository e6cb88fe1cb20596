"""Drawing: a legend lies within its figure."""

import pytest

from reports.style import drawing, legend, panels


@pytest.mark.parametrize("width, n, rows", [(9.0, 3, 1), (9.0, 6, 2), (4.2, 6, 6)])
def test_a_legend_has_as_many_columns_as_have_room(width, n, rows):
    with drawing():
        figure, (axis,) = panels(1, width, 1, 2.0)
        handles = [axis.plot([0, 1])[0] for _ in range(n)]
        legend(figure, handles, [f"noniid-partial0.5-linear{k}" for k in range(n)], 6)
        figure.canvas.draw()
    [drawn] = figure.legends
    box = drawn.get_window_extent()
    assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1
    assert -(-n // drawn._ncols) == rows
