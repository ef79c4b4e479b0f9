"""Masks as polygons along the edges of their pixels, and back, without losing a pixel.

Coordinates are continuous: pixel (row r, column c) covers x from c to c + 1 and y from r to r + 1,
as in COCO and YOLO labels. A polygon through pixel *centres*, as ``cv2.findContours`` gives, is
half a pixel too small all around: at 64×128, that costs several points of IoU.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from visnet_aug.masks.person import Mask

Polygon: TypeAlias = npt.NDArray[np.float64]
"""Corners in order, N×2, x before y."""


def outline_polygons(mask: Mask) -> list[Polygon]:
    """Trace a mask's outlines.

    Args:
        mask: bool H×W.

    Returns:
        Closed polygons of whole coordinates, without points in the middle of a straight line.
        Outer outlines run clockwise on the screen, those of holes counter-clockwise.

    Example:
        >>> import numpy as np
        >>> outline_polygons(np.array([[True, True]]))[0].astype(int).tolist()
        [[0, 0], [2, 0], [2, 1], [0, 1]]
    """
    padded = np.pad(mask, 1)
    down, across = np.diff(padded.astype(np.int8), axis=0), np.diff(padded.astype(np.int8), axis=1)
    starts: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    # Each edge between person and background, with the person on its right.
    for dy, dx, forward, edges in ((0, 1, 1, down[:, 1:-1]), (1, 0, -1, across[1:-1])):
        for sign in (1, -1):
            for y, x in np.argwhere(edges == sign).tolist():
                a, b = (x, y), (x + dx, y + dy)
                start, end = (a, b) if sign == forward else (b, a)
                starts[start].append(end)
    polygons = []
    while starts:
        first = min(starts, key=lambda point: (point[1], point[0]))
        polygons.append(_walk(starts, first))
    return polygons


def _walk(starts: dict[tuple[int, int], list[tuple[int, int]]], first: tuple[int, int]) -> Polygon:
    """Follow edges from a corner until it is reached again, using them up."""
    corners, here, heading = [first], first, (1, 0)
    while True:
        ends = starts[here]
        # Where two parts meet at a corner only, turn right: each is then an outline of its own.
        end = max(ends, key=lambda to: _turn(heading, (to[0] - here[0], to[1] - here[1])))
        ends.remove(end)
        if not ends:
            del starts[here]
        step = (end[0] - here[0], end[1] - here[1])
        if step == heading and len(corners) > 1:
            corners[-1] = end
        else:
            corners.append(end)
        here, heading = end, step
        if here == first:
            break
    points = corners[:-1]  # the first corner again
    return np.array(points, np.float64)


def _turn(heading: tuple[int, int], step: tuple[int, int]) -> int:
    """Return 1 for a turn to the right, 0 for straight on, -1 for one to the left."""
    return heading[0] * step[1] - heading[1] * step[0]


def join_polygons(polygons: Sequence[Polygon]) -> Polygon:
    """Join outlines, those of holes included, into one polygon by bridges without width.

    For formats that have one polygon per object, such as YOLO's labels.

    Args:
        polygons: At least one, as `outline_polygons` returns them.

    Returns:
        One polygon that covers the same pixels.
    """
    joined, *rest = sorted(polygons, key=lambda polygon: -abs(_area(polygon)))
    for polygon in rest:
        gaps = ((joined[:, None] - polygon[None]) ** 2).sum(axis=2)
        here, there = np.unravel_index(int(gaps.argmin()), gaps.shape)
        loop = np.concatenate([polygon[there:], polygon[: there + 1]])
        joined = np.concatenate([joined[: here + 1], loop, joined[here:]])
    return joined


def _area(polygon: Polygon) -> float:
    x, y = polygon.T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def fill_polygon(polygon: Polygon, shape: tuple[int, int]) -> Mask:
    """Fill a polygon: a pixel is inside where its centre is (even-odd rule).

    Args:
        polygon: Corners in pixels of the image, N×2; may reach beyond it.
        shape: Height and width of the image.

    Returns:
        bool H×W.

    Example:
        >>> import numpy as np
        >>> square = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]])
        >>> fill_polygon(square, (1, 2)).tolist()
        [[True, False]]
    """
    height, width = shape
    # Each row of pixel centres crosses the outline an even number of times; between an odd crossing
    # and the next one it is inside. Edges are taken from top to bottom, so that the two sides of a
    # bridge cross at the very same place and cancel out.
    start, end = polygon, np.roll(polygon, -1, axis=0)
    upside_down = (start[:, 1] > end[:, 1])[:, None]
    start, end = np.where(upside_down, end, start), np.where(upside_down, start, end)
    first = np.clip(np.ceil(start[:, 1] - 0.5), 0, height).astype(np.intp)
    stop = np.clip(np.ceil(end[:, 1] - 0.5), 0, height).astype(np.intp)
    rows_each = np.maximum(stop - first, 0)
    edge = np.repeat(np.arange(len(polygon)), rows_each)
    row = (
        np.arange(len(edge)) - np.repeat(np.cumsum(rows_each) - rows_each, rows_each) + first[edge]
    )
    (x0, y0), (x1, y1) = start[edge].T, end[edge].T
    x = x0 + (row + 0.5 - y0) * (x1 - x0) / (y1 - y0)
    crossings = np.zeros((height, width + 1), np.intp)
    np.add.at(crossings, (row, np.clip(np.ceil(x - 0.5), 0, width).astype(np.intp)), 1)
    return np.asarray(np.cumsum(crossings, axis=1)[:, :width] % 2 == 1)
