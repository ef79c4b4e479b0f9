"""One training sample: a person on a background, with everything that spoils a crop.

A pure function of a generator and the sources, so that a run is reproducible. The reference
masks reach 1.6 pixels outside the person's true edge and sit 0.4 pixels to the right of it
(measured on the strongest gradient across their boundary); samples keep that convention: a
cutout shows only what lies safely inside, its label stays the whole reference mask, and after a
flip the mask is moved back to the right.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from pipelines.segmenter.sources import HEIGHT, U8, WIDTH, MaskedCrops

F32 = npt.NDArray[np.float32]
MIN_INSTANCE_PIXELS = 200
"""An instance with less left to see is not labelled: nobody could say what it is."""


@dataclass(frozen=True)
class Sources:
    """Everything a sample can be made of.

    Attributes:
        crops: Crops with reference masks; trained on as they are and cut out.
        backgrounds: Natural backgrounds (M,128,64,3) without a person in the foreground.
        natural: Natural crops with masks from an earlier round, or ``None`` in the first.
        drawn: Drawn pedestrians with masks, or ``None``.
        natural_share: Chance that a sample is a natural crop as it is.
        crop_share: Chance that it is a masked crop as it is.
        drawn_share: Chance that it is a drawn one. What is left are composites.
    """

    crops: MaskedCrops
    backgrounds: U8
    natural: MaskedCrops | None
    drawn: MaskedCrops | None
    natural_share: float = 0.35
    crop_share: float = 0.15
    drawn_share: float = 0.07


@dataclass(frozen=True)
class Sample:
    """An image (128,64,3) RGB uint8 and the visible mask (128,64) bool of each person in it."""

    image: U8
    masks: tuple[npt.NDArray[np.bool_], ...]


@dataclass(frozen=True)
class _Layer:
    """A cutout in place: pixels, opacity 0-1, and the label that goes with it."""

    rgb: F32
    alpha: F32
    label: npt.NDArray[np.bool_]


def compose(rng: np.random.Generator, sources: Sources) -> Sample:
    """Draw one sample."""
    kind = rng.random()
    if kind < sources.crop_share:
        image, masks = _whole_crop(rng, sources.crops)
    elif sources.natural is not None and kind < sources.crop_share + sources.natural_share:
        image, masks = _whole_crop(rng, sources.natural)
    elif sources.drawn is not None and kind > 1 - sources.drawn_share:
        image, masks = _whole_crop(rng, sources.drawn)
    else:
        image, masks = _composite(rng, sources)
    image = _spoil(rng, image)
    return Sample(image, tuple(m for m in masks if m.sum() >= MIN_INSTANCE_PIXELS))


def flip_pair(image: U8, mask: U8) -> tuple[U8, U8]:
    """Flip left to right, keeping the reference masks' offset to the right."""
    flipped = np.zeros_like(mask)
    flipped[:, 1:] = mask[:, ::-1][:, :-1]
    return np.ascontiguousarray(image[:, ::-1]), flipped


def _whole_crop(
    rng: np.random.Generator, crops: MaskedCrops
) -> tuple[U8, list[npt.NDArray[np.bool_]]]:
    """A crop as it is, slightly moved, now and then behind an occluder."""
    i = int(rng.integers(len(crops)))
    image, mask = crops.images[i], crops.masks[i]
    if rng.random() < 0.5:
        image, mask = flip_pair(image, mask)
    if rng.random() < 0.7:
        matrix = _placement(rng, scale=(0.85, 1.3), shift=0.08, angle=4.0)
        size, border = (WIDTH, HEIGHT), cv2.BORDER_REFLECT_101
        image = cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=border)
        mask = cv2.warpAffine(mask, matrix, size, flags=cv2.INTER_LINEAR)
    visible = mask > 127
    if rng.random() < 0.1:
        image, visible = _occlude(rng, image.astype(np.float32), visible, crops.images)
    return image.astype(np.uint8), [visible]


def _composite(
    rng: np.random.Generator, sources: Sources
) -> tuple[U8, list[npt.NDArray[np.bool_]]]:
    """Cutouts on a natural background: the crop's person, maybe others behind or before."""
    canvas = _background(rng, sources)
    if rng.random() < 0.03:
        return canvas.astype(np.uint8), []
    layers = [_cutout(rng, sources.crops, scale=(0.7, 1.35), shift=0.1)]
    while rng.random() < 0.3 and len(layers) < 3:
        other = _cutout(rng, sources.crops, scale=(0.6, 1.4), shift=0.1, aside=True)
        layers.insert(0 if rng.random() < 0.7 else len(layers), other)
    if rng.random() < 0.35:
        canvas = _camouflage(rng, canvas, layers[-1])
    masks: list[npt.NDArray[np.bool_]] = []
    for layer in layers:
        canvas = canvas + layer.alpha[..., None] * (layer.rgb - canvas)
        hidden = layer.alpha > 0.5
        masks = [m & ~hidden for m in masks]
        covered = np.logical_or.reduce(masks) if masks else np.zeros_like(layer.label)
        # A label's outer ring lies on its neighbour where two people touch: it stays theirs.
        masks.append(layer.label & (hidden | ~covered))
    if rng.random() < 0.2:
        occluded = np.logical_or.reduce(masks)
        canvas, visible = _occlude(rng, canvas, occluded, sources.backgrounds)
        masks = [m & visible for m in masks]
    return np.clip(canvas, 0, 255).astype(np.uint8), masks


def _background(rng: np.random.Generator, sources: Sources) -> F32:
    """A natural background, moved and scaled; sometimes two of them or a plain fill."""
    pool = sources.backgrounds
    image = pool[int(rng.integers(len(pool)))]
    matrix = _placement(rng, scale=(1.0, 1.9), shift=0.3, angle=6.0)
    if rng.random() < 0.5:
        image = np.ascontiguousarray(image[:, ::-1])
    canvas = cv2.warpAffine(
        image, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    ).astype(np.float32)
    if rng.random() < 0.3:
        canvas = _recolour(rng, canvas)
    if rng.random() < 0.15:
        sigma = float(rng.uniform(1.0, 5.0))
        canvas = cv2.GaussianBlur(canvas, (0, 0), sigma)
    if rng.random() < 0.1:
        canvas = canvas + rng.normal(0, rng.uniform(5, 40), canvas.shape).astype(np.float32)
    if rng.random() < 0.05:
        canvas = np.broadcast_to(rng.uniform(0, 255, 3).astype(np.float32), canvas.shape).copy()
    return np.asarray(np.clip(canvas, 0, 255), np.float32)


def _cutout(
    rng: np.random.Generator,
    crops: MaskedCrops,
    scale: tuple[float, float],
    shift: float,
    aside: bool = False,
) -> _Layer:
    """A person cut out with a new, soft edge, placed by a random similarity.

    The old cut's halo lies in the outermost pixels of the mask: the opacity is drawn from the
    distance to the mask's border, so that it starts behind them.
    """
    i = int(rng.integers(len(crops)))
    image, mask = crops.images[i], crops.masks[i]
    if rng.random() < 0.5:
        image, mask = flip_pair(image, mask)
    inside = cv2.distanceTransform(mask, cv2.DIST_L2, 5)
    erode, soft = rng.uniform(1.0, 2.2), rng.uniform(0.4, 1.2)
    alpha = np.clip((inside - erode) / soft + 0.5, 0, 1)
    matrix = _placement(rng, scale, shift, angle=5.0)
    if aside:
        matrix[0, 2] += rng.choice([-1, 1]) * rng.uniform(0.3, 0.75) * WIDTH
    size = (WIDTH, HEIGHT)
    rgb = cv2.warpAffine(
        image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    alpha = cv2.warpAffine(alpha.astype(np.float32), matrix, size, flags=cv2.INTER_LINEAR)
    label = cv2.warpAffine(mask, matrix, size, flags=cv2.INTER_LINEAR) > 127
    pixels = rgb.astype(np.float32)
    if rng.random() < 0.5:
        pixels = _recolour(rng, pixels)
    return _Layer(pixels, alpha, label)


def _placement(
    rng: np.random.Generator, scale: tuple[float, float], shift: float, angle: float
) -> npt.NDArray[np.float64]:
    """A random similarity about the crop's centre, its aspect slightly changed (2x3)."""
    size = float(np.exp(rng.uniform(*np.log(scale))))
    stretch = float(np.exp(rng.normal(0, 0.04)))
    matrix = cv2.getRotationMatrix2D(
        ((WIDTH - 1) / 2, (HEIGHT - 1) / 2), float(rng.normal(0, angle / 2)), size
    )
    centre = np.array([(WIDTH - 1) / 2, (HEIGHT - 1) / 2])
    matrix[0, :2] *= stretch
    matrix[:, 2] = centre - matrix[:, :2] @ centre
    matrix[:, 2] += rng.uniform(-shift, shift, 2) * (WIDTH, HEIGHT)
    return np.asarray(matrix)


def _recolour(rng: np.random.Generator, image: F32) -> F32:
    """Change light, contrast and saturation, each a little."""
    grey = image @ np.array([0.299, 0.587, 0.114], np.float32)
    image = grey[..., None] + (image - grey[..., None]) * np.float32(rng.uniform(0.3, 1.4))
    image = (image - 128) * np.float32(rng.uniform(0.7, 1.3)) + 128
    cast = rng.normal(0, 6, 3) + rng.normal(0, 22)
    return np.clip(image + cast.astype(np.float32), 0, 255)


def _camouflage(rng: np.random.Generator, canvas: F32, layer: _Layer) -> F32:
    """Move the background's colours towards the person's: white on white, dark on dark."""
    top = int(rng.choice([0, HEIGHT // 3, HEIGHT // 2]))
    weight = layer.alpha[top : top + HEIGHT // 2]
    total = float(weight.sum())
    if total < MIN_INSTANCE_PIXELS:
        return canvas
    person = (layer.rgb[top : top + HEIGHT // 2] * weight[..., None]).sum((0, 1)) / total
    shift = (person - canvas.mean((0, 1))) * rng.uniform(0.5, 1.0)
    return np.asarray(np.clip(canvas + shift.astype(np.float32), 0, 255), np.float32)


def _occlude(
    rng: np.random.Generator, image: F32, visible: npt.NDArray[np.bool_], pool: U8
) -> tuple[F32, npt.NDArray[np.bool_]]:
    """Put a bar, a box or a disc of another picture in front."""
    shape = np.zeros((HEIGHT, WIDTH), np.uint8)
    kind = rng.integers(3)
    x, y = int(rng.integers(WIDTH)), int(rng.integers(HEIGHT // 4, HEIGHT))
    if kind == 0:
        end = (int(x + rng.normal(0, 10)), HEIGHT) if rng.random() < 0.6 else (WIDTH - x, y + 5)
        start = (x, 0) if rng.random() < 0.6 else (x, y)
        cv2.line(shape, start, end, 255, int(rng.integers(1, 7)), cv2.LINE_AA)
    elif kind == 1:
        half = int(rng.integers(4, 20)), int(rng.integers(4, 30))
        cv2.rectangle(shape, (x - half[0], y - half[1]), (x + half[0], y + half[1]), 255, -1)
    else:
        axes = int(rng.integers(4, 18)), int(rng.integers(4, 24))
        cv2.ellipse(shape, (x, y), axes, float(rng.uniform(0, 180)), 0, 360, 255, -1, cv2.LINE_AA)
    if rng.random() < 0.3:
        front = np.broadcast_to(rng.uniform(0, 255, 3).astype(np.float32), image.shape)
    else:
        front = pool[int(rng.integers(len(pool)))].astype(np.float32)
    alpha = shape.astype(np.float32)[..., None] / 255
    return image + alpha * (front - image), visible & (shape < 128)


def _spoil(rng: np.random.Generator, image: U8) -> U8:
    """What cameras and codecs do to the whole crop."""
    pixels = image.astype(np.float32)
    if rng.random() < 0.6:
        pixels = _recolour(rng, pixels)
    if rng.random() < 0.25:
        gamma = float(np.exp(rng.normal(0, 0.35)))
        pixels = np.asarray(255 * (pixels / 255) ** gamma, np.float32)
    pixels = _soften(rng, pixels)
    if rng.random() < 0.25:
        pixels = pixels + rng.normal(0, rng.uniform(1, 12), pixels.shape).astype(np.float32)
    out = np.clip(pixels, 0, 255).astype(np.uint8)
    if rng.random() < 0.6:
        quality = int(rng.integers(35, 96))
        coded = cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        out = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
    return out


def _soften(rng: np.random.Generator, pixels: F32) -> F32:
    """Low resolution, defocus or motion."""
    kind = rng.random()
    if kind < 0.15:
        factor = rng.uniform(0.4, 0.85)
        small = cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR))
    if kind < 0.3:
        return np.asarray(cv2.GaussianBlur(pixels, (0, 0), float(rng.uniform(0.4, 1.3))))
    if kind < 0.38:
        length = int(rng.integers(2, 6))
        return np.asarray(cv2.blur(pixels, (length, 1)))
    return pixels
