"""One task to bytes: decode, draw, rewrite the background, encode. Pure.

The same task, source bytes, mask and recipe give the same bytes anywhere with the same versions
of the libraries.

Encoding is a choice with a measured cost. ``match``, the default, uses the source's own
quantisation tables and chroma sampling, so that copies have the JPEG statistics of the images that
a network is tested on; with other tables, copies and originals could be told apart by them.

There are two writers of JPEGs, and they write the same bytes. Pillow takes any tables. OpenCV takes
a quality instead and writes four times as many images a second. It is used wherever the tables
are those of a quality, which they nearly always are.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile, get_sampling

from visnet_aug.backgrounds.base import BackgroundTransform
from visnet_aug.backgrounds.registry import make_family
from visnet_aug.backgrounds.rewrite import draw_params
from visnet_aug.builder.plan import Task
from visnet_aug.datasets.images import decode_known
from visnet_aug.files import sha256_of
from visnet_aug.recipe import Recipe

CHROMA_420 = 2
"""Pillow's number for chroma at half the resolution both ways."""

PNG_LEVEL = 3
"""zlib's effort: twice as fast as the usual 6 for 2 % more bytes on 64×128 crops."""

_SAMPLINGS: Final = (
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
)
"""OpenCV's numbers for the chroma samplings that Pillow counts from 0."""

_JPEG: Final = b"\xff\xd8\xff"
_TABLES, _SCAN, _PROGRESSIVE = 0xDB, 0xDA, 0xC2
_FRAMES: Final = (0xC0, 0xC1, _PROGRESSIVE)
"""Markers in a JPEG: quantisation tables, the start of the pixels, the kinds of image."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """One copy's file.

    Attributes:
        data: The file's bytes.
        params: What was drawn for the background, as plain JSON values.
        width: Pixels.
        height: Pixels.
        sha256: Hex digest of ``data``.
    """

    data: bytes
    params: Mapping[str, Any]
    width: int
    height: int
    sha256: str


class Renderer:
    """Renders tasks of one recipe; holds the families' transforms, which are costly to make."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._families: dict[str, BackgroundTransform] = {
            name: make_family(name, recipe.backgrounds) for name in recipe.backgrounds.names()
        }

    def render(self, task: Task, source: bytes, mask: NDArray[np.bool_]) -> Rendered:
        """Render one task.

        Args:
            task: What to make.
            source: Bytes of the source image's file, known to be usable.
            mask: bool H×W, True for the person.

        Returns:
            The file and what was drawn for it.

        Raises:
            DatasetError: ``source`` is no image.
        """
        image = decode_known(source)
        params = draw_params(
            self._families[task.family], task.variant, task.intensity, task.seed, image.shape[:2]
        )
        return self._finish(task.family, params, image, mask, source)

    def render_record(
        self, family: str, params: Mapping[str, Any], source: bytes, mask: NDArray[np.bool_]
    ) -> Rendered:
        """Render from what was drawn before; arguments and errors otherwise as for `render`."""
        return self._finish(family, params, decode_known(source), mask, source)

    def _finish(
        self,
        family: str,
        params: Mapping[str, Any],
        image: NDArray[np.uint8],
        mask: NDArray[np.bool_],
        source: bytes,
    ) -> Rendered:
        feather = self._recipe.backgrounds.feather
        rewritten = self._families[family].rewrite(image, params, mask, feather)
        data = encode(rewritten, self._recipe.encoding, source)
        height, width = image.shape[:2]
        return Rendered(data, params, width, height, sha256_of(data))


class _Header(NamedTuple):
    """What a JPEG's header says of its encoding, as it stands there.

    Attributes:
        tables: Quantisation tables.
        components: Number, sampling and table of each.
        progressive: Scan order.
    """

    tables: bytes
    components: bytes
    progressive: bool


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
    if encoding == "png" or (encoding == "match" and not source.startswith(_JPEG)):
        return _saved(image, "PNG", compress_level=PNG_LEVEL)
    if encoding == "match":
        return _like(image, source)
    return _jpeg(image, int(encoding.removeprefix("jpeg:")), _SAMPLINGS[CHROMA_420])


def _like(image: NDArray[np.uint8], source: bytes) -> bytes:
    """Encode with the tables, sampling and scan order of a JPEG."""
    header = _read_header(source)
    quality = _qualities().get(header.tables) if header else None
    sampling = _samplings().get(header.components) if header else None
    if header is None or quality is None or sampling is None:
        return _with_tables(image, source)
    return _jpeg(image, quality, sampling, header.progressive)


def _jpeg(
    image: NDArray[np.uint8], quality: int, sampling: int, progressive: bool = False
) -> bytes:
    """Encode with the tables of a quality."""
    options = [
        *(cv2.IMWRITE_JPEG_QUALITY, quality),
        *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling),
        *(cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive)),
    ]
    _, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    return data.tobytes()


def _with_tables(image: NDArray[np.uint8], source: bytes) -> bytes:
    """Encode with any tables.

    Sampling that Pillow cannot write (4:4:0, 4:1:1) becomes 4:2:0, the nearest to both. Huffman
    tables are the standard ones: they decide the size, not the pixels.
    """
    with Image.open(io.BytesIO(source), formats=["JPEG"]) as original:
        assert isinstance(original, JpegImageFile)
        sampling = get_sampling(original)
        return _saved(
            image,
            "JPEG",
            qtables=original.quantization,
            subsampling=sampling if sampling >= 0 else CHROMA_420,
            progressive=bool(original.info.get("progressive")),
        )


def _saved(image: NDArray[np.uint8], form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, form, **options)
    return buffer.getvalue()


def _read_header(data: bytes) -> _Header | None:
    """Read a JPEG's header, segment by segment; ``None`` where it isn't as plain as most."""
    tables, components, progressive = b"", b"", False
    start = 2
    while start + 1 < len(data) and data[start] == 0xFF != data[start + 1]:
        marker = data[start + 1]
        end = start + 2 + int.from_bytes(data[start + 2 : start + 4], "big")
        if marker == _SCAN:
            return _Header(tables, components, progressive)
        if marker == _TABLES:
            tables += data[start + 4 : end]
        elif marker in _FRAMES:
            components, progressive = data[start + 9 : end], marker == _PROGRESSIVE
        start = end
    return None


@functools.cache
def _qualities() -> Mapping[bytes, int]:
    """Return the qualities by the tables that OpenCV writes for them."""
    return {_written(quality, _SAMPLINGS[CHROMA_420]).tables: quality for quality in range(1, 101)}


@functools.cache
def _samplings() -> Mapping[bytes, int]:
    """Return the samplings by the components that OpenCV writes for them."""
    return {_written(50, sampling).components: sampling for sampling in _SAMPLINGS}


def _written(quality: int, sampling: int) -> _Header:
    header = _read_header(_jpeg(np.zeros((8, 8, 3), np.uint8), quality, sampling))
    assert header is not None
    return header
