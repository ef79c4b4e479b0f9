"""One training sample: a crop of a person, with everything that spoils a crop.

A pure function of a generator and the sources, so that a run is reproducible. A sample is either
a scene, which is a person in their own surroundings, or a cut-out on another background. In
both, other people and things can be in the way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np

from pipelines.segmenter.camera import recolour, spoil
from pipelines.segmenter.framing import any_window, near, to_crop, window
from pipelines.segmenter.occluders import occluder
from pipelines.segmenter.pictures import F32, U8, Matrix, Picture, warp
from pipelines.segmenter.sources import Scene

LEAST_AREA = 0.025
"""A person with less of the crop left to see is not labelled: nobody could say what it is."""

MOST_HIDDEN = 0.5
"""Nobody in front hides more of the crop's person."""

T = TypeVar("T")


@dataclass(frozen=True)
class Sources:
    """Everything a sample can be made of.

    Attributes:
        scenes: Groups of scenes, each with the share of samples that shows one of it.
        cutouts: Groups of cut-out people, each with its share of the people put somewhere. What
            the scenes leave of the samples are cut-outs on a background.
        backgrounds: Groups of pictures without a person, each with its share.
        size: Height and width of a sample.
    """

    scenes: tuple[tuple[float, tuple[Scene, ...]], ...]
    cutouts: tuple[tuple[float, tuple[Picture, ...]], ...]
    backgrounds: tuple[tuple[float, tuple[Picture, ...]], ...]
    size: tuple[int, int]


@dataclass(frozen=True)
class Sample:
    """A crop and the people in it.

    Attributes:
        image: uint8 (H,W,3) RGB.
        opacity: uint8 (I,H,W), how much of each pixel is each person, 255 for all of it. The
            person that the crop is about comes first.
        known: uint8 (I,H,W), 255 where the opacity is known.
    """

    image: U8
    opacity: U8
    known: U8


@dataclass(frozen=True)
class _Layer:
    """A person in place: colours multiplied by the opacity, opacity 0-1, where it is known."""

    colours: F32
    opacity: F32
    known: U8


def compose(rng: np.random.Generator, sources: Sources) -> Sample:
    """Draw one sample."""
    canvas, layers = _start(rng, sources)
    is_scene = len(layers) > 0
    if not is_scene:
        if rng.random() < 0.03:
            return _finish(rng, canvas, [], 0)
        layers = [_cutout(rng, sources)]
        canvas = _shadow(rng, _camouflage(rng, canvas, layers[0]), layers[0])
    main = layers[0]
    while rng.random() < (0.2 if is_scene else 0.35) and len(layers) < 4:
        other = _cutout(rng, sources, aside=True)
        hidden = float((other.opacity * main.opacity).sum() / max(main.opacity.sum(), 1))
        in_front = rng.random() < 0.35 and hidden < MOST_HIDDEN
        # Behind somebody whose outline is not known nobody can be put.
        if in_front or main.known.min() == 255:
            layers.insert(len(layers) if in_front else 0, other)
    if rng.random() < 0.15:
        layers.append(_thing(rng, sources))
        return _finish(rng, canvas, layers[:-1], _index(layers, main), front=layers[-1])
    return _finish(rng, canvas, layers, _index(layers, main))


def _index(layers: Sequence[_Layer], main: _Layer) -> int:
    return next(i for i, layer in enumerate(layers) if layer is main)


def _start(rng: np.random.Generator, sources: Sources) -> tuple[F32, list[_Layer]]:
    """Draw a scene with its person, or a background with nobody."""
    shares = [share for share, _ in sources.scenes]
    group = int(rng.choice(len(shares) + 1, p=[*shares, 1 - sum(shares)]))
    if group == len(shares):
        return _background(rng, sources), []
    members = sources.scenes[group][1]
    scene = members[int(rng.integers(len(members)))]
    aspect = sources.size[0] / sources.size[1]
    view = near(rng, scene.image.size) if scene.is_crop else window(rng, scene.image.box, aspect)
    matrix = to_crop(view, sources.size, float(rng.normal(0, 2)), bool(rng.random() < 0.5))
    canvas = warp(scene.image, matrix, sources.size).astype(np.float32)
    label = warp(scene.label, matrix, sources.size, (0, 255))
    opacity = label[..., 0].astype(np.float32) / np.float32(255)
    known = np.where(label[..., 1] > 250, 255, 0).astype(np.uint8)
    return canvas, [_Layer(canvas * opacity[..., None], opacity, known)]


def _background(rng: np.random.Generator, sources: Sources) -> F32:
    """Part of a picture without a person; now and then blurred, noisy or of one colour."""
    size = sources.size
    source = _pick(rng, sources.backgrounds)
    view = any_window(rng, source.size, size[0] / size[1])
    matrix = to_crop(view, size, float(rng.normal(0, 3)), bool(rng.random() < 0.5))
    canvas = warp(source, matrix, size).astype(np.float32)
    if rng.random() < 0.35:
        canvas = recolour(rng, canvas)
    kind = rng.random()
    if kind < 0.12:
        canvas = np.asarray(cv2.GaussianBlur(canvas, (0, 0), float(rng.uniform(1.0, 5.0))))
    elif kind < 0.18:
        grains = rng.standard_normal(canvas.shape, dtype=np.float32)
        canvas = canvas + grains * np.float32(rng.uniform(5, 35))
    elif kind < 0.21:
        canvas = np.broadcast_to(rng.uniform(0, 255, 3).astype(np.float32), canvas.shape).copy()
    return np.clip(canvas, 0, 255)


def _cutout(rng: np.random.Generator, sources: Sources, *, aside: bool = False) -> _Layer:
    """A person from elsewhere, framed as the crop's own or standing aside of it."""
    source = _pick(rng, sources.cutouts)
    height, width = sources.size
    matrix = to_crop(
        window(rng, source.box, height / width),
        sources.size,
        float(rng.normal(0, 2.5)),
        bool(rng.random() < 0.5),
    )
    if aside:
        shift = float(rng.choice([-1, 1]) * rng.uniform(0.25, 0.8)) * width
        scale = float(np.exp(rng.normal(-0.08, 0.18)))
        matrix = _about(matrix, scale, (width / 2, height * 0.9))
        matrix[:, 2] += (shift, float(rng.normal(0, 0.05)) * height)
    cut = warp(source, matrix, sources.size, (0, 0, 0, 0)).astype(np.float32)
    colours, opacity = cut[..., :3], cut[..., 3] / np.float32(255)
    if rng.random() < 0.4:
        colours = recolour(rng, colours) * opacity[..., None]
    known = np.full(sources.size, 255, np.uint8)
    return _Layer(colours, opacity, known)


def _about(matrix: Matrix, scale: float, point: tuple[float, float]) -> Matrix:
    """Scale a map's result about a point of the crop."""
    offset = (1 - scale) * np.array(point)
    return np.column_stack([scale * matrix[:, :2], scale * matrix[:, 2] + offset])


def _pick(rng: np.random.Generator, groups: Sequence[tuple[float, Sequence[T]]]) -> T:
    """Draw one member of one group."""
    shares = np.array([share for share, _ in groups])
    members = groups[int(rng.choice(len(groups), p=shares / shares.sum()))][1]
    return members[int(rng.integers(len(members)))]


def _camouflage(rng: np.random.Generator, canvas: F32, layer: _Layer) -> F32:
    """Move the background's colours towards the person's: white on white, dark on dark."""
    if rng.random() < 0.7:
        return canvas
    height = canvas.shape[0]
    top = int(rng.choice([0, height // 3, height // 2]))
    part = slice(top, top + height // 2)
    total = float(layer.opacity[part].sum())
    if total < LEAST_AREA * layer.opacity.size:
        return canvas
    person = layer.colours[part].sum((0, 1)) / total
    shift = (person - canvas.mean((0, 1))) * np.float32(rng.uniform(0.5, 1.0))
    return np.asarray(np.clip(canvas + shift.astype(np.float32), 0, 255))


def _shadow(rng: np.random.Generator, canvas: F32, layer: _Layer) -> F32:
    """Let the person throw a shadow on the ground."""
    if rng.random() < 0.65:
        return canvas
    height, width = layer.opacity.shape
    feet = float(np.flatnonzero(layer.opacity.max(1) > 0.5)[-1:].sum())
    flat, lean = float(rng.uniform(-0.35, 0.1)), float(rng.normal(0, 0.6))
    matrix = np.array([[1.0, -lean * 0.4, lean * 0.4 * feet], [0.0, flat, feet * (1 - flat)]])
    size = (width, height)
    shade = cv2.warpAffine(layer.opacity, matrix, size, flags=cv2.INTER_LINEAR)
    shade = cv2.GaussianBlur(shade, (0, 0), float(rng.uniform(0.6, 2.5)))
    return np.asarray(canvas * (1 - shade[..., None] * np.float32(rng.uniform(0.2, 0.6))))


def _thing(rng: np.random.Generator, sources: Sources) -> _Layer:
    """Something in front of everybody."""
    texture = None
    if rng.random() < 0.6:
        texture = _background(rng, sources).astype(np.uint8)
    colours, opacity = occluder(rng, sources.size, texture)
    return _Layer(colours * opacity[..., None], opacity, np.full(sources.size, 255, np.uint8))


def _finish(
    rng: np.random.Generator,
    canvas: F32,
    layers: Sequence[_Layer],
    main: int,
    front: _Layer | None = None,
) -> Sample:
    """Lay people over the canvas, first to last, and take the picture."""
    visible: list[F32] = []
    for layer in (*layers, *([front] if front else [])):
        canvas = layer.colours + canvas * (1 - layer.opacity[..., None])
        visible = [opacity * (1 - layer.opacity) for opacity in visible]
        visible.append(layer.opacity)
    if front:
        visible.pop()
    order = sorted(range(len(visible)), key=lambda i: i != main)
    kept = [i for i in order if visible[i].mean() >= LEAST_AREA]
    shape = canvas.shape[:2]
    opacity = np.zeros((len(kept), *shape), np.uint8)
    known = np.zeros((len(kept), *shape), np.uint8)
    for row, i in enumerate(kept):
        opacity[row] = np.rint(255 * visible[i])
        known[row] = layers[i].known
    return Sample(spoil(rng, canvas), opacity, known)
