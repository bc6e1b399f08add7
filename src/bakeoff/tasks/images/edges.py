"""The baseline that an explanation is held against: where a picture has edges, which no network was asked about."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bakeoff.tasks.images.decode import Pixels


def edge_map(pixels: Pixels) -> NDArray[np.float64]:
    """Sobel magnitude of the brightness (Sobel and Feldman 1968).

    Adebayo et al. (2018) found that some explanations look much like this map, which knows nothing of any network: what is
    shown of a network is therefore shown beside it.

    Parameters
    ----------
    pixels : array of shape (size, size, 3), uint8

    Returns
    -------
    array of shape (size, size), float in [0, 1]
        The strongest edge is 1; a picture of one colour is 0 everywhere.
    """
    import numpy as np

    grey = np.pad(np.asarray(pixels, dtype=np.float64) @ (0.299, 0.587, 0.114), 1, mode="edge")
    across = grey[:, 2:] - grey[:, :-2]
    down = grey[2:] - grey[:-2]
    x = across[:-2] + 2 * across[1:-1] + across[2:]
    y = down[:, :-2] + 2 * down[:, 1:-1] + down[:, 2:]
    found = np.hypot(x, y)
    top = found.max()
    return np.asarray(found / top if top > 1e-9 else np.zeros_like(found))
