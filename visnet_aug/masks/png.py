"""Masks as PNG files: 1-bit ones of our own, and whatever people put in their place."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from visnet_aug.errors import OutputError
from visnet_aug.masks.painted import decode_painted_mask, fit_mask
from visnet_aug.masks.person import Mask

_OPTIONS: Final = [cv2.IMWRITE_PNG_BILEVEL, 1, cv2.IMWRITE_PNG_COMPRESSION, 1]
"""One bit per pixel. The level hardly matters to 340 bytes; 1 is four times as fast as 9."""


def encode_mask(mask: Mask) -> bytes:
    """Encode a mask, white for the person."""
    encoded, data = cv2.imencode(".png", mask.view(np.uint8) * 255, _OPTIONS)
    if not encoded:
        raise OutputError(f"a mask of {mask.shape} pixels cannot be encoded as PNG")
    return bytes(data)


def decode_mask(data: bytes, shape: tuple[int, int]) -> Mask:
    """Decode a mask: one of ours, or one that a person edited with any program.

    Args:
        data: The bytes of a PNG file.
        shape: Height and width of the mask's image. A mask of another size with the same
            proportions is scaled.

    Returns:
        bool H×W, True for the person.

    Raises:
        ValueError: It is no complete PNG, has other proportions than the image, or its values
            have no clear meaning as a mask.
    """
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    if pixels is not None and pixels.shape == shape and pixels.dtype == np.uint8:
        white: Mask = np.asarray(pixels == 255)
        if np.array_equal(white, pixels != 0):  # black and white, as ours are
            return white
    return fit_mask(decode_painted_mask(data), shape)


def is_our_encoding(data: bytes, shape: tuple[int, int]) -> bool:
    """Tell whether a PNG is, byte for byte, what `encode_mask` makes."""
    try:
        return encode_mask(decode_mask(data, shape)) == data
    except ValueError:
        return False
