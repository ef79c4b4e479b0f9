"""PNG masks that people and other tools make: what is meant by their values.

Our own masks are 1-bit PNGs. A mask that somebody painted, or that an annotation tool exported, has
any depth, a palette or transparency, and black is not always 0 and white not always 255.
"""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

from visnet_aug.masks.person import Mask, resize_probability

Channel = npt.NDArray[np.int32]


def decode_painted_mask(data: bytes) -> Mask:
    """Decode a mask that a person painted or another tool exported.

    The person is:

    * in a picture with transparent pixels: what is opaque (a cut-out); where the opaque pixels are
      themselves black and white, the white ones;
    * in a picture with a colour palette: every entry but the first, unless the palette holds black
      and white alone;
    * in a greyscale picture: what is at least half bright; with no value above 1, the ones;
    * in a colour picture: what is not black, if there is one colour besides black.

    Args:
        data: The bytes of a PNG file.

    Returns:
        bool H×W, True for the person.

    Raises:
        ValueError: The data is no complete PNG, or its values have no clear meaning as a mask.

    Example:
        >>> import cv2, numpy as np
        >>> ones = np.array([[0, 1], [1, 0]], np.uint8)
        >>> decode_painted_mask(cv2.imencode(".png", ones)[1].tobytes()).tolist()
        [[False, True], [True, False]]
    """
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            image.verify()  # checks the checksum of every chunk; the image must then be reopened
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            image.load()
            return _meaning(image)
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError("not a complete PNG file") from error


def _meaning(image: Image.Image) -> Mask:
    if image.mode in ("LA", "RGBA", "PA") or "transparency" in image.info:
        opaque = np.asarray(image.convert("RGBA"))[..., 3] >= 128
        if not opaque.all():
            return _opaque(np.asarray(image.convert("RGB"), np.int32), opaque)
    if image.mode == "P":
        return _indexed(image)
    if image.mode in ("1", "L", "I;16", "I"):
        deep = image.mode.startswith("I")
        values = np.asarray(image.convert("I") if deep else image.convert("L"), np.int32)
        return _grey(values, 65535 if deep else 255)
    return _coloured(np.asarray(image.convert("RGB"), np.int32))


def _opaque(rgb: npt.NDArray[np.int32], opaque: Mask) -> Mask:
    """Return the cut-out, or what is white of it where it is painted in black and white."""
    seen = rgb[opaque]
    extremes = np.isin(seen, (0, 255)).all() and (seen == seen[:, :1]).all()
    if extremes and seen.any() and not seen.all():
        return opaque & (rgb[..., 0] > 127)
    return opaque


def _indexed(image: Image.Image) -> Mask:
    index = np.asarray(image)
    palette = np.asarray(image.convert("RGB"), np.int32)
    black_or_white = np.isin(palette, (0, 255)).all() and _is_grey(palette)
    if black_or_white and palette.any():
        return np.asarray(palette[..., 0] > 127)
    return np.asarray(index != 0)


def _grey(values: Channel, brightest: int) -> Mask:
    highest = int(values.max(initial=0))
    if highest <= 1:
        return np.asarray(values == 1)
    if highest <= brightest // 2:
        shown = ", ".join(map(str, np.unique(values)[:5].tolist()))
        raise ValueError(
            f"its values ({shown}) are neither 0 and 1 nor black and white; "
            "save the person as white"
        )
    return np.asarray(values > brightest // 2)


def _coloured(rgb: npt.NDArray[np.int32]) -> Mask:
    if _is_grey(rgb):
        return _grey(rgb[..., 0], 255)
    person = np.asarray(rgb.any(axis=2))
    if len(np.unique(rgb[person], axis=0)) > 1:
        raise ValueError("it has several colours; save the person as white on black")
    return person


def _is_grey(rgb: npt.NDArray[np.int32]) -> bool:
    return bool((rgb == rgb[..., :1]).all())


def fit_mask(mask: Mask, shape: tuple[int, int]) -> Mask:
    """Scale a mask to the size of its image.

    Args:
        mask: bool, of any size with the image's proportions, give or take a pixel.
        shape: Height and width of the image.

    Returns:
        bool H×W.

    Raises:
        ValueError: The mask has other proportions than the image.
    """
    if mask.shape == shape:
        return mask
    (height, width), (rows, columns) = shape, mask.shape
    scale = max(height / rows, width / columns)
    if max(abs(rows * scale - height), abs(columns * scale - width)) > max(1.0, scale):
        raise ValueError(
            f"it has {columns}×{rows} pixels and its image {width}×{height}; a mask needs the "
            "proportions of its image"
        )
    return np.asarray(resize_probability(mask.astype(np.float32), shape) > 0.5)
