"""Training transforms: drawn per image on the host, applied to whole batches on any device.

The transforms, their order and their random parameters are those of torchvision v2's
``RandomCrop(padding, padding_mode="edge")``, ``RandomHorizontalFlip``, ``ColorJitter``,
``Normalize`` and ``RandomErasing(value="random")``; each image of a batch has its own parameters.
Colours are computed in floating point, as torchvision does for float images (for uint8 images it
truncates after each of the four colour steps).

All random numbers come from a NumPy generator, including the noise in erased rectangles, so that a
CPU and a GPU see the same images. A rank draws the parameters of the whole batch and keeps its
part; the noise has one seed per image, so that no rank generates the noise of the others.
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
"""Steps of the colour jitter, numbered as in torchvision."""

_TRIES = 10  # to draw a rectangle that fits, as in torchvision
_CACHED = 8 * 128 * 64  # pixels processed at a time on a CPU, so that they stay in its caches
_GREY = (0.2989, 0.587, 0.114)  # weights of red, green and blue in torchvision


@dataclass(frozen=True, eq=False)
class Draws:
    """The random parameters of N images.

    Attributes:
        top: N, first row of the crop in the padded image, 0 to 2·padding.
        left: N, first column of the crop.
        flip: N, whether the image is mirrored.
        factors: float32 N×4 by colour step: three factors, and the rotation of the hue as a
            fraction of the circle.
        order: N×4, the colour steps in the order in which they are applied.
        erased: N×4, top, left, height and width of the rectangle; height 0 for no rectangle.
        noise: N, seeds of the noise in the rectangles.
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
        """Return the parameters of a part of the images."""
        return Draws(**{field.name: getattr(self, field.name)[images] for field in fields(self)})


def draw(
    settings: AugmentationSettings, size: tuple[int, int], count: int, rng: np.random.Generator
) -> Draws:
    """Draw the parameters of ``count`` images; ``size`` is their height and width."""
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
    """Apply the transforms to a batch.

    Args:
        images: uint8 N×3×H×W, on any device.
        draws: Parameters of the N images.
        settings: The settings that the parameters were drawn with.

    Returns:
        float32 N×3×H×W on the same device, normalised, in channels_last layout.
    """
    count, _, height, width = images.shape
    result = torch.empty(images.shape, device=images.device, memory_format=torch.channels_last)
    step = max(_CACHED // (height * width), 1) if images.device.type == "cpu" else count
    for start in range(0, count, step):
        part = slice(start, start + step)
        mine = draws.part(part)
        cropped = crop(images[part], mine, settings.padding)
        floats = cropped.float().div_(255)
        jitter(floats, mine)
        _normalise(floats)
        erase(floats, mine)
        result[part] = floats
    return result


def normalise(images: Tensor) -> Tensor:
    """Normalise uint8 images as the network expects them: the whole transform of the evaluation.

    Args:
        images: uint8 N×3×H×W, 0 to 255.

    Returns:
        float32 N×3×H×W on the same device, in channels_last layout.
    """
    floats = images.to(torch.float32, memory_format=torch.channels_last).div_(255)
    _normalise(floats)
    return floats


def crop(images: Tensor, draws: Draws, padding: int) -> Tensor:
    """Pad by repeating the edges, crop each image, and mirror the chosen ones; any dtype."""
    height, width = images.shape[2:]
    device = images.device
    padded = _padded(_padded(images, 3, padding), 2, padding)
    windows = padded.unfold(2, height, 1).unfold(3, width, 1).permute(0, 2, 3, 1, 4, 5)
    which = torch.arange(len(images), device=device)
    cropped = windows[which, _to(draws.top, device), _to(draws.left, device)]
    mirrored = _to(np.flatnonzero(draws.flip), device)
    cropped[mirrored] = cropped[mirrored].flip(3)
    return cropped


def jitter(images: Tensor, draws: Draws) -> None:
    """Jitter the colours in place, each image in its own order.

    Brightness, contrast and saturation are blends, ``f·image + (1 − f)·other``, with black, the
    mean grey of the image, and the grey of each pixel. So all images take such a step together.

    Args:
        images: float32 N×3×H×W in 0 to 1.
        draws: Parameters of the N images.
    """
    device = images.device
    for place in range(4):
        step = draws.order[:, place]
        factor = np.take_along_axis(draws.factors, step[:, None], axis=1)[:, 0]
        other = np.where(step == HUE, 0, 1 - factor)
        of_pixel, of_mean = other * (step == SATURATION), other * (step == CONTRAST)
        red, green, blue = images.unbind(1)
        grey = (red * _GREY[0]).add_(green, alpha=_GREY[1]).add_(blue, alpha=_GREY[2])
        mean = grey.mean((1, 2), keepdim=True) * _per_image(of_mean, device)
        grey.mul_(_per_image(of_pixel, device)).add_(mean)
        images.mul_(_per_image(1 - other, device)[:, None]).add_(grey[:, None]).clamp_(0, 1)
        turned = np.flatnonzero((step == HUE) & (factor != 0))
        if len(turned):
            rows = _to(turned, device)
            images[rows] = turn_hue(images[rows], _per_image(factor[turned], device))


def turn_hue(images: Tensor, turn: Tensor) -> Tensor:
    """Rotate hues, with the result of a conversion to HSV and back.

    With the hue h in sixths of the circle, a channel is ``clamp(|k| − 1, 0, 1)`` of the range
    between the pixel's lowest and highest channel, where k is h + 3, h + 1 and h − 1 for red, green
    and blue, wrapped to −3 to 3.

    The hue is computed by sorting the channels. ``torch.where`` is avoided: on a CPU it takes 25
    times as long as a comparison of floats.

    Args:
        images: float32 N×3×H×W in 0 to 1.
        turn: N×1×1, fractions of the circle.
    """
    red, green, blue = images.unbind(1)
    upper, lower = torch.maximum(green, blue), torch.minimum(green, blue)
    highest, middle = torch.maximum(red, upper), torch.minimum(red, upper)
    lowest = torch.minimum(middle, lower)
    span = highest - lowest
    # The hue is |start + (middle − lower) / span|, with a start of 0 or −2, or −6 or 4 where blue
    # is above green.
    blue_above = _above(blue, green)
    start = (12 * blue_above).sub_(2).mul_(_above(upper, red)).sub_(blue_above, alpha=6)
    safe = span.clamp(min=torch.finfo(span.dtype).tiny)  # a grey may have any hue
    hue = middle.sub_(lower).div_(safe).add_(start).abs_().add_(6 * turn)
    offsets = torch.tensor([3.0, 1.0, -1.0], device=images.device)[:, None, None]
    k = hue[:, None] + offsets
    k -= (k / 6).round_().mul_(6)
    share = k.abs_().sub_(1).clamp_(0, 1)
    return share.mul_(span[:, None]).add_(lowest[:, None])


def erase(images: Tensor, draws: Draws) -> None:
    """Fill the rectangle of each image with normally distributed noise, in place."""
    chosen = np.flatnonzero(draws.erased[:, 2])
    if not len(chosen):
        return
    noise = [
        np.random.default_rng(draws.noise[image]).standard_normal(
            (3, *draws.erased[image, 2:]), np.float32
        )
        for image in chosen
    ]
    # A single copy to the device; the loop only launches kernels there.
    values = _to(np.concatenate([block.reshape(-1) for block in noise]), images.device)
    ends = np.cumsum([block.size for block in noise])
    for image, block, end in zip(chosen, noise, ends, strict=True):
        top, left, height, width = draws.erased[image]
        rectangle = images[image, :, top : top + height, left : left + width]
        rectangle.copy_(values[end - block.size : end].view(block.shape))


def _draw_erased(
    settings: AugmentationSettings, size: tuple[int, int], count: int, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Draw rectangles: the first of ten tries that is smaller than the image on both sides."""
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


def _normalise(images: Tensor) -> None:
    """Normalise images in 0 to 1 with ImageNet's mean and standard deviation, in place."""
    mean, deviation = (
        torch.tensor(values, device=images.device)[:, None, None]
        for values in (IMAGENET_MEAN, IMAGENET_STD)
    )
    images.sub_(mean).div_(deviation)


def _padded(images: Tensor, dim: int, padding: int) -> Tensor:
    """Pad both ends of a dimension by repeating them."""
    ends = images.narrow(dim, 0, 1), images.narrow(dim, images.shape[dim] - 1, 1)
    first, last = (end.repeat_interleave(padding, dim) for end in ends)
    return torch.cat([first, images, last], dim)


def _above(one: Tensor, other: Tensor) -> Tensor:
    """Return 1.0 where ``one`` is above ``other``, and 0.0 elsewhere."""
    return torch.gt(one, other, out=torch.empty_like(one))


def _to(array: npt.NDArray[np.generic], device: torch.device) -> Tensor:
    """Copy to a device without waiting for it."""
    return torch.from_numpy(np.ascontiguousarray(array)).to(device, non_blocking=True)


def _per_image(values: npt.NDArray[np.floating], device: torch.device) -> Tensor:
    return _to(values.astype(np.float32), device)[:, None, None]
