"""Masks as 1-bit PNGs, and PNGs that a person has painted as masks."""

from __future__ import annotations

import io
from typing import Final, Literal, TypeAlias

import cv2
import numpy as np
from PIL import Image

from visnet_aug.errors import OutputError
from visnet_aug.masks.person import Mask

UnusableEdit: TypeAlias = Literal["unreadable PNG", "PNG of another size"]

_OPTIONS: Final = [cv2.IMWRITE_PNG_BILEVEL, 1, cv2.IMWRITE_PNG_COMPRESSION, 1]
"""One bit per pixel. The level hardly matters to 340 bytes; 1 is four times as fast as 9."""


def encode_mask(mask: Mask) -> bytes:
    """Encode a mask, white for the person."""
    encoded, data = cv2.imencode(".png", mask.view(np.uint8) * 255, _OPTIONS)
    if not encoded:
        raise OutputError(f"a mask of {mask.shape} pixels cannot be encoded as PNG")
    return bytes(data)


def decode_mask(data: bytes) -> Mask:
    """Decode what `encode_mask` made.

    Raises:
        ValueError: It is no image.
    """
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE) if data else None
    if pixels is None:
        raise ValueError("not an image")
    mask: Mask = pixels > 127
    return mask


def decode_edit(data: bytes, shape: tuple[int, int]) -> Mask | UnusableEdit:
    """Decode what a paint program may have saved: any depth, palette or transparency.

    Returns:
        A mask, True where at least half bright and not transparent, or why there is none.
    """
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            if (image.height, image.width) != shape:
                return "PNG of another size"
            image.verify()  # checks every chunk's checksum, after which it must be opened anew
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            red, green, blue, alpha = np.moveaxis(np.array(image.convert("RGBA"), np.int32), -1, 0)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return "unreadable PNG"
    mask: Mask = (red + green + blue) * alpha > 3 * 127 * 255
    return mask
