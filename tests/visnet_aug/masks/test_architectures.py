"""Networks of all YOLO generations with masks: decoded as Ultralytics itself decodes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from visnet_aug.masks import weights
from visnet_aug.masks.segmenter import CANDIDATES, Segmenter
from visnet_aug.masks.settings import MaskSettings

SHAPE = weights.OFFICIAL_INPUT
NAMES = {0: "bicycle", 1: "person"}
ANCHORS = SHAPE[0] * SHAPE[1] * (1 / 8**2 + 1 / 16**2 + 1 / 32**2)

KINDS = {
    "YOLOv8": ("v8/yolov8-seg", False, False),
    "YOLO11": ("11/yolo11-seg", False, False),
    "YOLO26": ("26/yolo26-seg", False, False),
    "YOLO26 end to end": ("26/yolo26-seg", True, False),
    "YOLO26 end to end, fused": ("26/yolo26-seg", True, True),
}
"""Architecture, whether its end-to-end head is chosen, whether it is fused before it is saved."""


def untrained(architecture: str, end2end: bool, fused: bool) -> Any:
    """A real, small network whose scores, boxes and masks differ from anchor to anchor."""
    weights.import_ultralytics()
    import torch
    import yaml
    from ultralytics.nn.tasks import SegmentationModel
    from ultralytics.utils import ROOT

    description = yaml.safe_load((ROOT / f"cfg/models/{architecture}.yaml").read_text())
    description |= {"nc": len(NAMES), "scale": "n"}
    network = SegmentationModel(description, verbose=False).eval()
    network.names = NAMES
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        weight = getattr(module, "weight", None)
        if weight is not None and weight.requires_grad and weight.ndim > 1:
            spread = (2 / weight[0].numel()) ** 0.5
            gain = 1 if module.bias is None else 8  # outputs have biases: these are to differ
            weight.data.normal_(0, gain * spread, generator=generator)
    if end2end:
        network.end2end = True
    return network.fuse(verbose=False) if fused else network


@pytest.mark.parametrize(("kind"), KINDS)
def test_candidates_are_what_ultralytics_decodes(tmp_path: Path, kind: str) -> None:
    import torch

    architecture, end2end, fused = KINDS[kind]
    network = untrained(architecture, end2end, fused)
    path = tmp_path / "other.pt"
    torch.save({"epoch": -1, "model": None, "ema": network.half(), "train_args": {}}, path)
    network = network.float()
    segmenter = Segmenter(str(path), "cpu", MaskSettings(confidence=0, min_area=0))
    assert segmenter.quality is None
    image = np.random.default_rng(0).integers(0, 256, (*SHAPE, 3)).astype(np.uint8)

    scores, boxes, coefficients, prototypes = (a[0] for a in segmenter.candidates([image]))
    expected = decoded(network, image, end2end)
    assert len(scores) == CANDIDATES
    np.testing.assert_allclose(scores, expected[0], atol=2e-4)
    np.testing.assert_allclose(boxes, expected[1], atol=0.05)
    np.testing.assert_allclose(
        np.tensordot(coefficients, prototypes, (1, 2)), expected[2], atol=0.02
    )
    (found,) = segmenter.segment([image])
    assert found.quality is None
    assert found.confidence in scores


def decoded(
    network: Any, image: np.ndarray, end2end: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores, boxes and mask logits of the likeliest people, by Ultralytics' own code."""
    import torch
    from ultralytics.utils.ops import xywh2xyxy

    head = network.model[-1]
    head.max_det = int(ANCHORS) * len(NAMES)
    with torch.inference_mode():
        pixels = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
        (found, prototypes), _ = network(pixels)
    if end2end:
        people = found[0][found[0, :, 5] == 1]
        boxes, scores, coefficients = people[:, :4], people[:, 4], people[:, 6:]
    else:
        boxes, scores, coefficients = xywh2xyxy(found[0, :4].T), found[0, 5], found[0, 6:].T
    best = scores.argsort(descending=True)[:CANDIDATES]
    logits = torch.einsum("kc,chw->khw", coefficients[best], prototypes[0])
    return scores[best].numpy(), boxes[best].numpy(), logits.numpy()
