"""YOLOv8-Seg over batches of crops: images in, one judged person mask each out.

Ultralytics builds the network; batching, decoding and the choice of the person are ours. Its own
``predict`` decodes every instance of every image, which at 128×64 costs more than the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from visnet_aug.hardware import choose_device, computes_in_bf16
from visnet_aug.masks.person import Boxes, PersonMask, Probability, person_mask
from visnet_aug.masks.settings import MaskSettings

if TYPE_CHECKING:
    import torch
    from torch import nn

Image: TypeAlias = npt.NDArray[np.uint8]

BATCH = 64
"""Images a forward pass. A last, smaller batch is filled up, so that the arithmetic, and with it
every bit of a mask, does not depend on how many images there were."""

CANDIDATES = 16
"""Anchors an image, best first, among which its person is chosen. The person of a crop is
answered for by about ten; the rest of the 168 and more are noise."""

BOX_MARGIN = 0.08
"""A mask is cut off this far outside its box, as a fraction of the box: enough for a box that is
a few pixels short, not enough for a second person."""


class PersonSegmenter:
    """A YOLOv8-Seg network ready to find the person of each crop.

    Attributes:
        network: The fused Ultralytics network, on its device; gives raw outputs.
        input_size: Height and width that every crop is resized to.
        classes: Indices of the classes that are looked for.
        device: Where it runs.
        dtype: The number format it runs in; outlines differ by a few pixels between formats.
    """

    def __init__(
        self,
        network: nn.Module,
        input_size: tuple[int, int],
        *,
        classes: Sequence[int] = (0,),
        device: str = "cpu",
        settings: MaskSettings,
    ) -> None:
        """Prepare a network; ``visnet_aug.masks.weights`` finds and loads one.

        Args:
            network: An Ultralytics ``SegmentationModel``; fused and moved by this call.
            input_size: Height and width that every crop is resized to.
            classes: Indices of the classes that are looked for; an instance is as sure as it is
                of the likeliest of them.
            device: A torch device, or ``auto`` for the first GPU if there is one.
            settings: How masks are cleaned and judged.
        """
        import torch

        self.device = choose_device(device)
        self.dtype = torch.bfloat16 if computes_in_bf16(self.device) else torch.float32
        self.input_size, self.classes, self._settings = input_size, list(classes), settings
        moved: Any = network.eval().to(self.device, self.dtype)
        self.network: Any = moved.to(memory_format=torch.channels_last)
        self._head: Any = self.network.model[-1]
        # Raw outputs instead of decoded ones: boxes decoded in bf16 are rounded to half a pixel.
        self._head.training = True

    @property
    def on_cpu(self) -> bool:
        """Whether it runs on a processor, not on a GPU."""
        return self.device.type == "cpu"

    @classmethod
    def for_network(
        cls, network: nn.Module, input_size: tuple[int, int], settings: MaskSettings
    ) -> PersonSegmenter:
        """Wrap a copy of a network in training, on the CPU."""
        import copy

        own: Any = copy.deepcopy(network).eval()
        return cls(own.fuse(verbose=False), input_size, settings=settings)

    def segment(self, images: Sequence[Image]) -> list[PersonMask]:
        """Find the person of each crop.

        Args:
            images: RGB uint8 H×W×3, each of any size; resized to the network's input and the
                mask brought back to the image's size.

        Returns:
            One mask an image, in order, judged by the settings.
        """
        masks: list[PersonMask] = []
        for first in range(0, len(images), BATCH):
            masks += self._segment_batch(images[first : first + BATCH])
        return masks

    def _segment_batch(self, images: Sequence[Image]) -> list[PersonMask]:
        scores, boxes, coefficients, prototypes = self._forward(images)
        return [
            self._one(image.shape[:2], scores[i], boxes[i], coefficients[i], prototypes[i])
            for i, image in enumerate(images)
        ]

    def _forward(self, images: Sequence[Image]) -> tuple[npt.NDArray[np.float32], ...]:
        """Run the network; keep each image's best anchors.

        Returns:
            Scores (N,K), boxes (N,K,4) in input pixels, mask coefficients (N,K,C) and prototypes
            (N,h,w,C), all float32, N images and K candidates.
        """
        import torch

        height, width = self.input_size
        batch = np.zeros((BATCH, height, width, 3), np.uint8)
        for row, image in zip(batch, images, strict=False):
            row[:] = _fit(image, (width, height))
        with torch.inference_mode():
            pixels = torch.from_numpy(batch).to(self.device).permute(0, 3, 1, 2)
            raw = self.network(pixels.to(self.dtype) / 255)
            confidence = raw["scores"][:, self.classes].float().sigmoid().amax(1)
            scores, best = confidence.topk(min(CANDIDATES, confidence.shape[1]), dim=1)
            boxes = _decode_boxes(self._head, raw, best)
            coefficients = _pick(raw["mask_coefficient"], best).transpose(1, 2)
            prototypes = raw["proto"].permute(0, 2, 3, 1).float()
            return tuple(t.cpu().numpy() for t in (scores, boxes, coefficients, prototypes))

    def _one(
        self,
        shape: tuple[int, int],
        scores: npt.NDArray[np.float32],
        boxes: Boxes,
        coefficients: npt.NDArray[np.float32],
        prototypes: npt.NDArray[np.float32],
    ) -> PersonMask:
        """Turn one image's candidates into its mask."""
        across, down = shape[1] / self.input_size[1], shape[0] / self.input_size[0]
        boxes = boxes * np.array([across, down, across, down], np.float32)

        def decode(index: int) -> Probability:
            logits = prototypes @ coefficients[index]
            # Logits, not probabilities, are interpolated: the outline then falls between the
            # prototypes' pixels, where the network put it.
            logits = cv2.resize(logits, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)
            return _inside(boxes[index], 1 / (1 + np.exp(-np.clip(logits, -30, 30))))

        return person_mask(boxes, scores, decode, shape, self._settings)


def limit_threads(threads: int) -> None:
    """Set the number of torch's threads in this process."""
    import torch

    torch.set_num_threads(threads)


def _fit(image: Image, size: tuple[int, int]) -> Image:
    """Resize a crop to the network's input (width, height)."""
    if image.shape[1] > size[0] and image.shape[0] > size[1]:
        return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def _decode_boxes(head: Any, raw: dict[str, torch.Tensor], best: torch.Tensor) -> torch.Tensor:
    """Turn distance distributions of some anchors (N,K) into boxes (N,K,4).

    Boxes are given by their corners in input pixels.
    """
    import torch
    from ultralytics.utils.tal import make_anchors

    points, strides = (t.float()[best] for t in make_anchors(raw["feats"], head.stride, 0.5))
    images, candidates = best.shape
    bins = _pick(raw["boxes"], best).view(images, 4, head.reg_max, candidates).softmax(2)
    steps = torch.arange(head.reg_max, dtype=torch.float32, device=bins.device)
    left, top, right, bottom = (bins * steps[None, None, :, None]).sum(2).unbind(1)
    x, y = points.unbind(-1)
    boxes: torch.Tensor = torch.stack((x - left, y - top, x + right, y + bottom), -1) * strides
    return boxes


def _pick(values: torch.Tensor, best: torch.Tensor) -> torch.Tensor:
    """Return the values (N,C,A) of some anchors (N,K) as float32 (N,C,K)."""
    return values.gather(2, best[:, None].expand(-1, values.shape[1], -1)).float()


def _inside(box: npt.NDArray[np.float32], probability: Probability) -> Probability:
    """Zero a probability map outside of its box and margin."""
    x0, y0, x1, y1 = (float(v) for v in box)
    dx, dy = BOX_MARGIN * (x1 - x0), BOX_MARGIN * (y1 - y0)
    kept = np.zeros_like(probability)
    rows = slice(max(0, int(np.floor(y0 - dy))), max(0, int(np.ceil(y1 + dy))))
    columns = slice(max(0, int(np.floor(x0 - dx))), max(0, int(np.ceil(x1 + dx))))
    kept[rows, columns] = probability[rows, columns]
    return kept
