"""Updates v_k = θ_k − θ of a window's clients, in pieces: what a merge makes of a piece stays in a core's caches."""

from collections.abc import Iterator, Sequence

import numpy as np

ROOM = 1 << 17  # elements of a piece, those of all clients together


def updates(before: np.ndarray, clients: Sequence[np.ndarray], place: slice) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield each part of `place`, elements of a window, and the clients' updates there: client − `before`.

    They are float32 [clients, part], contiguous, and may be changed; the next ones take their memory.
    """
    length = min(max(ROOM // len(clients), 1024), place.stop - place.start)
    room = np.empty(len(clients) * length, np.float32)
    for start in range(place.start, place.stop, length):
        part = slice(start, min(start + length, place.stop))
        values = room[:len(clients) * (part.stop - part.start)].reshape(len(clients), -1)
        for client, update in zip(clients, values):
            np.subtract(client[part], before[part], out=update)
        yield part, values
