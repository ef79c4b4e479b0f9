"""YOLO networks on batches of crops: images in, one judged person mask for each out.

Ultralytics builds the network; batching, decoding and the choice of the person are our own. The
``predict`` of Ultralytics decodes every instance of every image, which at 128×64 takes longer than
the network.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from visnet_aug.arrays import Image, check_image
from visnet_aug.hardware import choose_device, computes_in_bf16
from visnet_aug.masks.person import (
    Boxes,
    Instance,
    Mask,
    PersonMask,
    Probability,
    choose_person,
    clean_mask,
    person_mask,
    resize_probability,
)
from visnet_aug.masks.quality import QualityModel, distinct_people, find_rival, mask_features
from visnet_aug.masks.refine import refine
from visnet_aug.masks.settings import MaskSettings
from visnet_aug.masks.weights import BUILTIN, LoadedNetwork, load_network

if TYPE_CHECKING:
    import torch
    from torch import nn

BATCH: Final = 64
"""Images in a forward pass. A last, smaller batch is filled up, so that the arithmetic, and with it
every bit of a mask, does not depend on the number of images."""

CANDIDATES: Final = 16
"""Anchors per image, best first, among which the person is chosen. The person of a crop is found by
about ten of them; the rest of the 168 and more are noise."""

BOX_MARGIN: Final = 0.08
"""A mask is cut off this far outside its box, as a fraction of the box: enough for a box that is
a few pixels too small, not enough for a second person."""

_DEFAULTS: Final = MaskSettings()


class Segmenter:
    """Finds the person in images of people: a YOLO network and the judgement of its masks.

    The network takes crops as person re-identification uses them, with one person in the middle.
    torch and Ultralytics are imported when a segmenter is made, not before.

    Args:
        weights: ``builtin`` for the network in this package, the path of a ``.safetensors`` or
            ``.pt`` file, or an official name such as ``yolo26n-seg.pt``, which is downloaded once:
            YOLOv8, YOLO11 or YOLO26 with masks.
        device: ``auto`` (the first GPU, or the CPU if there is none), ``cpu``, ``cuda``,
            ``cuda:1``, ...
        settings: How masks are cleaned and judged, and the classes to look for.
        threads: Number of torch's threads on a CPU, for the whole process; ``None`` leaves it as
            it is. A few bits of a mask can depend on it.

    Attributes:
        network: The fused Ultralytics network on its device; it returns raw outputs.
        input_size: Height and width in pixels that every image is resized to.
        classes: Indices of the classes that are looked for.
        device: The torch device it runs on.
        dtype: The number format it runs in; outlines differ by a few pixels between formats.
        quality: Predicts the quality of a mask; ``None`` if the weights contain no such model.

    Raises:
        WeightsError: The weights are missing, damaged, no network with masks, or do not know the
            classes.
        RecipeError: This machine has no such device.

    Examples:
        >>> import numpy as np
        >>> from visnet_aug import Segmenter, draw_sample
        >>> sample = draw_sample(pid=3, camid=1, rng=np.random.default_rng(0))
        >>> (found,) = Segmenter(device="cpu").segment([sample.image])
        >>> found.accepted
        True
        >>> found.mask.shape
        (128, 64)
    """

    def __init__(
        self,
        weights: str = BUILTIN,
        device: str = "auto",
        settings: MaskSettings = _DEFAULTS,
        *,
        threads: int | None = None,
    ) -> None:
        self._use(load_network(weights, settings.classes, threads=threads), device, settings)

    @classmethod
    def for_network(
        cls,
        network: nn.Module,
        input_size: tuple[int, int],
        settings: MaskSettings = _DEFAULTS,
        classes: Sequence[int] = (0,),
        device: str = "cpu",
    ) -> Segmenter:
        """Return a segmenter with a copy of a network that is in training.

        Args:
            network: An Ultralytics ``SegmentationModel``.
            input_size: Height and width in pixels that every image is resized to.
            settings: How masks are cleaned and judged.
            classes: Indices of the classes to look for; the confidence of an instance is that of
                the likeliest of them.
            device: Where it runs, as for the class.
        """
        own: Any = copy.deepcopy(network).eval()
        segmenter = cls.__new__(cls)
        loaded = LoadedNetwork(own.fuse(verbose=False), input_size, classes)
        segmenter._use(loaded, device, settings)
        return segmenter

    def _use(self, loaded: LoadedNetwork, device: str, settings: MaskSettings) -> None:
        """Move a network to its device and prepare it for raw outputs."""
        import torch

        from visnet_aug.masks.fusion import can_fuse, fuse_activations

        self.device = choose_device(device)
        self.dtype = torch.bfloat16 if computes_in_bf16(self.device) else torch.float32
        self.input_size, self.classes = loaded.input_size, list(loaded.classes)
        self._settings = settings
        self.quality: QualityModel | None = loaded.quality
        moved: Any = loaded.network.eval().to(self.device, self.dtype)
        self.network: Any = moved.to(memory_format=torch.channels_last)
        if self.on_cpu and can_fuse():
            fuse_activations(self.network)
        self._head: Any = self.network.model[-1]
        # Raw outputs instead of decoded ones: boxes decoded in bf16 are rounded to half a pixel.
        self._head.training = True

    @property
    def on_cpu(self) -> bool:
        """Whether it runs on a CPU."""
        return self.device.type == "cpu"

    def segment(self, images: Sequence[Image]) -> list[PersonMask]:
        """Find the person in each image.

        Args:
            images: RGB uint8, H×W×3, each of any size.

        Returns:
            One result per image, in order. Its mask has the size of the image.

        Raises:
            TypeError: ``images`` is a single image, or an image is no NumPy array.
            ValueError: An image is not RGB uint8, or it is empty.
        """
        if isinstance(images, (str, bytes)) or getattr(images, "ndim", 4) == 3:
            raise TypeError("segment takes a list of images: pass [image] for a single one")
        checked = [check_image(image, f"images[{n}]") for n, image in enumerate(images)]
        masks: list[PersonMask] = []
        for first in range(0, len(checked), BATCH):
            masks += self._segment_batch(checked[first : first + BATCH])
        return masks

    def segment_everyone(self, images: Sequence[Image]) -> list[Mask]:
        """Find everyone in each image, not only the person that it shows.

        Args:
            images: As for `segment`.

        Returns:
            bool H×W for each image, True for all people of at least the settings' confidence.
        """
        masks: list[Mask] = []
        for first in range(0, len(images), BATCH):
            part = images[first : first + BATCH]
            found = zip(*self.candidates(part), strict=True)
            masks += [self._union(image, *one) for image, one in zip(part, found, strict=False)]
        return masks

    def _union(
        self,
        image: Image,
        scores: npt.NDArray[np.float32],
        boxes: Boxes,
        coefficients: npt.NDArray[np.float32],
        prototypes: npt.NDArray[np.float32],
    ) -> Mask:
        """Unite the masks of all people among the candidates of one image."""
        shape = image.shape[0], image.shape[1]
        union = np.zeros(shape, np.bool_)
        relative = self._relative(boxes)
        for index in distinct_people(relative, scores, self._settings.confidence):
            refined = refine(_sigmoid(prototypes @ coefficients[index]), image)
            kept = resize_probability(_inside(relative[index], refined), shape)
            union |= clean_mask(kept, self._settings)
        return union

    def _relative(self, boxes: Boxes) -> Boxes:
        """Turn boxes in input pixels into fractions of the image."""
        height, width = self.input_size
        size = np.array([width, height, width, height], np.float32)
        relative: Boxes = np.divide(boxes, size, dtype=np.float32)
        return relative

    def _segment_batch(self, images: Sequence[Image]) -> list[PersonMask]:
        found = zip(*self.candidates(images), strict=True)
        return [self.choose(image, *one) for image, one in zip(images, found, strict=False)]

    def candidates(self, images: Sequence[Image]) -> tuple[npt.NDArray[np.float32], ...]:
        """Run the network and keep the best anchors of each image.

        Args:
            images: At most `BATCH`, as for `segment`.

        Returns:
            Scores (N,K), boxes (N,K,4) in input pixels, mask coefficients (N,K,C) and prototypes
            (N,h,w,C), all float32, K candidates of N = `BATCH` images, the given ones first.
        """
        import torch

        height, width = self.input_size
        batch = np.zeros((BATCH, height, width, 3), np.uint8)
        for row, image in zip(batch, images, strict=False):
            row[:] = _fit(image, (width, height))
        with torch.inference_mode():
            pixels = torch.from_numpy(batch).to(self.device).permute(0, 3, 1, 2)
            raw = self.network(pixels.to(self.dtype) / 255)
            raw = raw.get("one2one", raw)  # the branch that fusing left of an end-to-end head
            confidence = raw["scores"][:, self.classes].float().sigmoid().amax(1)
            scores, best = confidence.topk(min(CANDIDATES, confidence.shape[1]), dim=1)
            boxes = _decode_boxes(self._head, raw, best)
            coefficients = _pick(raw["mask_coefficient"], best).transpose(1, 2)
            prototypes = raw["proto"].permute(0, 2, 3, 1).float()
            return tuple(t.cpu().numpy() for t in (scores, boxes, coefficients, prototypes))

    def choose(
        self,
        image: Image,
        scores: npt.NDArray[np.float32],
        boxes: Boxes,
        coefficients: npt.NDArray[np.float32],
        prototypes: npt.NDArray[np.float32],
    ) -> PersonMask:
        """Turn the candidates of one image into its mask."""
        return self.choose_measured(image, scores, boxes, coefficients, prototypes)[0]

    def choose_measured(
        self,
        image: Image,
        scores: npt.NDArray[np.float32],
        boxes: Boxes,
        coefficients: npt.NDArray[np.float32],
        prototypes: npt.NDArray[np.float32],
    ) -> tuple[PersonMask, npt.NDArray[np.float32] | None]:
        """As `choose`, with what a `QualityModel` takes: float32 (F,); ``None`` without a person.

        It is measured even if this segmenter has no such model.
        """
        shape = image.shape[:2]
        chosen = choose_person(boxes, scores, self.input_size)
        if chosen is None:
            return person_mask(None, shape, self._settings), None

        def decode(index: int) -> npt.NDArray[np.float32]:
            logits: npt.NDArray[np.float32] = prototypes @ coefficients[index]
            return logits

        relative = self._relative(boxes)
        refined = refine(_sigmoid(decode(chosen)), image)
        rival = find_rival(relative, scores, chosen)
        features = mask_features(decode, relative, scores, chosen, rival, image, refined)
        quality = None if self.quality is None else float(self.quality(features[None])[0])
        kept = _inside(relative[chosen], refined)
        instance = Instance(kept, float(scores[chosen]), quality, rival.rank)
        return person_mask(instance, shape, self._settings), features


def _fit(image: Image, size: tuple[int, int]) -> Image:
    """Resize a crop to the network's input (width, height)."""
    if image.shape[1] > size[0] and image.shape[0] > size[1]:
        return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def _decode_boxes(head: Any, raw: dict[str, torch.Tensor], best: torch.Tensor) -> torch.Tensor:
    """Turn the distances of some anchors (N,K) to the sides of their boxes into boxes (N,K,4).

    Until YOLO11, each distance is a distribution over ``reg_max`` steps; with YOLO26, it is a
    number. Boxes are given by their corners in input pixels.
    """
    import torch
    from ultralytics.utils.tal import make_anchors

    points, strides = (t.float()[best] for t in make_anchors(raw["feats"], head.stride, 0.5))
    images, candidates = best.shape
    distances = _pick(raw["boxes"], best)
    if head.reg_max > 1:
        bins = distances.view(images, 4, head.reg_max, candidates).softmax(2)
        steps = torch.arange(head.reg_max, dtype=torch.float32, device=bins.device)
        distances = (bins * steps[None, None, :, None]).sum(2)
    left, top, right, bottom = distances.unbind(1)
    x, y = points.unbind(-1)
    boxes: torch.Tensor = torch.stack((x - left, y - top, x + right, y + bottom), -1) * strides
    return boxes


def _pick(values: torch.Tensor, best: torch.Tensor) -> torch.Tensor:
    """Return the values (N,C,A) of some anchors (N,K) as float32 (N,C,K)."""
    return values.gather(2, best[:, None].expand(-1, values.shape[1], -1)).float()


def _sigmoid(logits: npt.NDArray[np.float32]) -> Probability:
    probability: Probability = np.reciprocal(1 + np.exp(-np.clip(logits, -30, 30)))
    return probability


def _inside(box: npt.NDArray[np.float32], probability: Probability) -> Probability:
    """Set a probability map to zero outside its box, in fractions of the image, and margin."""
    height, width = probability.shape
    x0, y0, x1, y1 = (float(v) for v in box * np.array([width, height, width, height]))
    dx, dy = BOX_MARGIN * (x1 - x0), BOX_MARGIN * (y1 - y0)
    kept = np.zeros_like(probability)
    rows = slice(max(0, int(np.floor(y0 - dy))), max(0, int(np.ceil(y1 + dy))))
    columns = slice(max(0, int(np.floor(x0 - dx))), max(0, int(np.ceil(x1 + dx))))
    kept[rows, columns] = probability[rows, columns]
    return kept
