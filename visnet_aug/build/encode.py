"""Pixels to file bytes, the same ones every time.

Encoding is a choice with a measured cost. ``match``, the default, uses the source's own
quantisation tables and chroma sampling, so that copies carry the JPEG statistics of the images
that a network is tested on; other tables would tell it copies from originals.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile, get_sampling

CHROMA_420 = 2
"""Pillow's number for chroma at half the resolution both ways."""

PNG_LEVEL = 3
"""zlib's effort: twice as fast as the usual 6 for 2 % more bytes on 64×128 crops."""


def encode(image: NDArray[np.uint8], encoding: str, source: bytes) -> bytes:
    """Encode a rendered image.

    Args:
        image: RGB uint8 H×W×3.
        encoding: ``match``, ``jpeg:Q`` (4:2:0) or ``png``, as a recipe has it.
        source: Bytes of the source image, a JPEG or PNG: with ``match``, its format, tables,
            sampling and scan order are used.

    Returns:
        The file's bytes, without metadata.
    """
    picture = Image.fromarray(image)
    if encoding == "match":
        with Image.open(io.BytesIO(source)) as original:
            if isinstance(original, JpegImageFile):
                return _like(picture, original)
        return _png(picture)
    if encoding == "png":
        return _png(picture)
    quality = int(encoding.removeprefix("jpeg:"))
    return _saved(picture, "JPEG", quality=quality, subsampling=CHROMA_420)


def _like(picture: Image.Image, original: JpegImageFile) -> bytes:
    """Encode with the tables, sampling and scan order of a JPEG.

    Sampling that Pillow cannot write (4:4:0, 4:1:1) becomes 4:2:0, the nearest to both. Huffman
    tables are the standard ones: they decide the size, not the pixels.
    """
    sampling = get_sampling(original)
    return _saved(
        picture,
        "JPEG",
        qtables=original.quantization,
        subsampling=sampling if sampling >= 0 else CHROMA_420,
        progressive=bool(original.info.get("progressive")),
    )


def _png(picture: Image.Image) -> bytes:
    return _saved(picture, "PNG", compress_level=PNG_LEVEL)


def _saved(picture: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()
