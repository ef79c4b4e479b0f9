"""Training transforms: drawn per image on the host, applied to whole batches on any device.

The transforms, their order and their random parameters are those of torchvision v2's
``RandomCrop(padding, padding_mode="edge")``, ``RandomHorizontalFlip``, ``ColorJitter``,
``Normalize`` and ``RandomErasing(value="random")``; every image of a batch has its own parameters.
Colours are computed in float: torchvision does the same for float images, and truncates to uint8
after each of the four colour steps for uint8 ones.

Everything random comes from a NumPy generator, the noise of erased rectangles included, so a CPU
and a GPU see the same images. A rank draws for the whole batch and keeps its part; noise follows
from a seed per image, so that nobody makes the noise of others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from visnet_model.data.settings import AugmentationSettings

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)
"""The steps of the colour jitter, numbered as in torchvision."""

_TRIES = 10  # for a rectangle that fits, as in torchvision
_CHUNK = 8  # images at a time on a CPU, so that what is computed stays in its caches
_GREY = (0.2989, 0.587, 0.114)  # torchvision's weights of red, green and blue


@dataclass(frozen=True, eq=False)
class Draws:
    """The random parameters of N images.

    Attributes:
        top: Crop's first row in the padded image, 0 to 2·padding.
        left: Crop's first column.
        flip: Whether it is mirrored.
        factors: float32 N×4 by colour step: three factors and the hue's rotation, a part of the
            circle.
        order: N×4, the colour steps in their order.
        erased: N×4, top, left, height and width of the rectangle; no height for none.
        noise: Seeds of the rectangles' noise.
    """

    top: npt.NDArray[np.int64]
    left: npt.NDArray[np.int64]
    flip: npt.NDArray[np.bool_]
    factors: npt.NDArray[np.float32]
    order: npt.NDArray[np.int64]
    erased: npt.NDArray[np.int64]
    noise: npt.NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.top)

    def part(self, images: slice) -> Draws:
        """Return the parameters of some images."""
        return Draws(**{field.name: getattr(self, field.name)[images] for field in fields(self)})


def draw(
    settings: AugmentationSettings, size: tuple[int, int], count: int, rng: np.random.Generator
) -> Draws:
    """Draw the parameters of ``count`` images of height × width ``size``."""
    top, left = rng.integers(0, 2 * settings.padding, (2, count), endpoint=True)
    flip = rng.random(count) < settings.flip
    reach = np.array([settings.brightness, settings.contrast, settings.saturation, settings.hue])
    lowest = np.maximum(1 - reach, 0)
    lowest[HUE] = -settings.hue
    highest = 1 + reach
    highest[HUE] = settings.hue
    return Draws(
        top=top,
        left=left,
        flip=flip,
        factors=rng.uniform(lowest, highest, (count, 4)).astype(np.float32),
        order=rng.permuted(np.tile(np.arange(4), (count, 1)), axis=1),
        erased=_draw_erased(settings, size, count, rng),
        noise=rng.integers(0, 2**64, count, np.uint64),
    )


def apply(images: Tensor, draws: Draws, settings: AugmentationSettings) -> Tensor:
    """Transform a batch.

    Args:
        images: uint8 N×3×H×W, on any device.
        draws: Parameters of the N images.
        settings: What they were drawn with.

    Returns:
        float32 N×3×H×W on the same device, normalised, in channels_last layout.
    """
    result = torch.empty(images.shape, device=images.device, memory_format=torch.channels_last)
    step = _CHUNK if images.device.type == "cpu" else max(len(images), 1)
    for start in range(0, len(images), step):
        part = slice(start, start + step)
        mine = draws.part(part)
        cropped = crop(images[part], mine, settings.padding)
        result[part] = _normalised(jitter(cropped.float().div_(255), mine))
    erase(result, draws)
    return result


def normalise(images: Tensor) -> Tensor:
    """Return uint8 images N×3×H×W as the network expects them: the whole test transform.

    Returns:
        float32 N×3×H×W on the same device, in channels_last layout.
    """
    scaled = images.to(torch.float32, memory_format=torch.channels_last)
    return _normalised(scaled.div_(255))


def crop(images: Tensor, draws: Draws, padding: int) -> Tensor:
    """Repeat the edges, cut each image's window and mirror where drawn; any type."""
    height, width = images.shape[2:]
    device = images.device
    rows = torch.arange(-padding, height + padding, device=device).clamp_(0, height - 1)
    columns = torch.arange(-padding, width + padding, device=device).clamp_(0, width - 1)
    padded = images[:, :, rows][:, :, :, columns]
    windows = padded.unfold(2, height, 1).unfold(3, width, 1).permute(0, 2, 3, 1, 4, 5)
    which = torch.arange(len(images), device=device)
    cropped = windows[which, _to(draws.top, device), _to(draws.left, device)]
    return torch.where(_to(draws.flip, device)[:, None, None, None], cropped.flip(3), cropped)


def jitter(images: Tensor, draws: Draws) -> Tensor:
    """Jitter colours, each image in its own order.

    Brightness, contrast and saturation are blends, ``f·image + (1 − f)·other``, with black, with
    the image's mean grey and with each pixel's own grey: all images take such a step together.

    Args:
        images: float32 N×3×H×W in 0 to 1.
        draws: Parameters of the N images.
    """
    device = images.device
    for place in range(4):
        step = draws.order[:, place]
        factor = np.take_along_axis(draws.factors, step[:, None], axis=1)[:, 0]
        share = np.where(step == HUE, 0, 1 - factor)
        pixel, mean = (_column(share * (step == kind), device) for kind in (SATURATION, CONTRAST))
        red, green, blue = images.unbind(1)
        grey = (red * _GREY[0]).add_(green, alpha=_GREY[1]).add_(blue, alpha=_GREY[2])
        other = grey * pixel + grey.mean((1, 2), keepdim=True) * mean
        images = images * _column(1 - share, device)[:, None] + other[:, None]
        images = images.clamp_(0, 1)
        turned = np.flatnonzero(step == HUE)
        if len(turned):
            rows = _to(turned, device)
            images[rows] = turn_hue(images[rows], _column(factor[turned], device))
    return images


def turn_hue(images: Tensor, turn: Tensor) -> Tensor:
    """Turn hues by parts of the circle, as a conversion to HSV and back does.

    Of a hue h in sixths of the circle, a channel lies above the smallest by ``range·clamp(|k − 2| −
    1, 0, 1)`` with ``k = (h + 5, 3, 1) mod 6`` for red, green and blue.

    Args:
        images: float32 N×3×H×W in 0 to 1.
        turn: N×1×1.
    """
    red, green, blue = images.unbind(1)
    lowest, highest = torch.aminmax(images, dim=1)
    span = highest - lowest
    safe = span.clamp(min=torch.finfo(images.dtype).tiny)
    hue = torch.where(
        highest == red,
        (green - blue) / safe,
        torch.where(highest == green, (blue - red) / safe + 2, (red - green) / safe + 4),
    )
    offsets = torch.tensor([5.0, 3.0, 1.0], device=images.device)[:, None, None]
    k = (hue + 6 * turn)[:, None] + offsets
    k -= 6 * torch.floor(k / 6)
    k = k.sub_(2).abs_().sub_(1).clamp_(0, 1)
    return k.mul_(span[:, None]).add_(lowest[:, None])


def erase(images: Tensor, draws: Draws) -> None:
    """Fill each image's rectangle with noise of its own, normally distributed, in place."""
    chosen = np.flatnonzero(draws.erased[:, 2])
    if not len(chosen):
        return
    noise = [
        np.random.default_rng(draws.noise[image]).standard_normal(
            (3, *draws.erased[image, 2:]), np.float32
        )
        for image in chosen
    ]
    # One copy to the device for the whole batch.
    values = _to(np.concatenate([block.reshape(-1) for block in noise]), images.device)
    used = 0
    for image, block in zip(chosen, noise, strict=True):
        top, left, height, width = draws.erased[image]
        images[image, :, top : top + height, left : left + width] = values[
            used : used + block.size
        ].view(block.shape)
        used += block.size


def _draw_erased(
    settings: AugmentationSettings, size: tuple[int, int], count: int, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Draw rectangles: of ten tries the first that is smaller than the image on both sides."""
    height, width = size
    area = height * width * rng.uniform(*settings.erasing_area, (count, _TRIES))
    lowest, highest = (math.log(end) for end in settings.erasing_aspect)
    aspect = np.exp(rng.uniform(lowest, highest, (count, _TRIES)))
    heights = np.rint(np.sqrt(area * aspect)).astype(np.int64)
    widths = np.rint(np.sqrt(area / aspect)).astype(np.int64)
    fits = (heights < height) & (widths < width)
    first = fits.argmax(axis=1)
    images = np.arange(count)
    erased = np.stack(
        [np.zeros_like(first), np.zeros_like(first), heights[images, first], widths[images, first]],
        axis=1,
    )
    erased[:, 0] = rng.integers(0, np.maximum(height - erased[:, 2], 0), endpoint=True)
    erased[:, 1] = rng.integers(0, np.maximum(width - erased[:, 3], 0), endpoint=True)
    erased[~fits.any(axis=1) | (rng.random(count) >= settings.erasing)] = 0
    return erased


def _normalised(images: Tensor) -> Tensor:
    mean, std = (
        torch.tensor(values, device=images.device)[:, None, None]
        for values in (IMAGENET_MEAN, IMAGENET_STD)
    )
    return images.sub_(mean).div_(std)


def _to(array: npt.NDArray[np.generic], device: torch.device) -> Tensor:
    """Copy to a device without waiting for it."""
    return torch.from_numpy(np.ascontiguousarray(array)).to(device, non_blocking=True)


def _column(values: npt.NDArray[np.floating], device: torch.device) -> Tensor:
    return _to(values.astype(np.float32), device)[:, None, None]
