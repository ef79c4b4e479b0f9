"""Which classes of a segmenter's weights are looked for."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from visnet_aug.masks import weights
from visnet_aug.masks.segmenter import Segmenter
from visnet_aug.masks.settings import MaskSettings
from visnet_aug.masks.store import mask_key


@pytest.mark.parametrize(
    ("given", "classes"),
    [("car", ("car",)), (["car", "bus"], ("car", "bus")), (("person",), ("person",))],
)
def test_one_class_needs_no_brackets(given: object, classes: tuple[str, ...]) -> None:
    assert MaskSettings.model_validate({"classes": given}).classes == classes


@pytest.mark.parametrize("given", [[], [""], "", 3, None])
def test_no_class_is_none(given: object) -> None:
    with pytest.raises(ValidationError):
        MaskSettings.model_validate({"classes": given})


KEY = "a6cf77fb16498ad9d3291282e38da4b28e42af00c6be3f8916beba2149f74082"
"""Of people's masks: a change here makes every stored mask be computed again."""


def test_masks_of_other_classes_are_other_masks() -> None:
    keys = {
        mask_key("image", "segmenter", MaskSettings(classes=classes))
        for classes in [("person",), ("car",), ("car", "bus"), ("bus", "car")]
    }
    assert len(keys) == 4
    assert mask_key("image", "segmenter", MaskSettings()) == KEY


def test_an_instance_is_as_sure_as_its_likeliest_class() -> None:
    weights.import_ultralytics()
    import torch
    import yaml
    from ultralytics.nn.tasks import SegmentationModel

    description = yaml.safe_load(weights.BUILTIN_FILE.with_suffix(".yaml").read_text())
    torch.manual_seed(0)
    network = SegmentationModel({**description, "nc": 3}, verbose=False).eval()
    for branch in network.model[-1].cv3:  # of classes: an untrained one is equally unsure of all
        branch[-1].bias.data = torch.tensor([0.0, -1.0, 1.0])

    def best(*classes: int) -> float:
        settings = MaskSettings(confidence=0)
        segmenter = Segmenter.for_network(network, (64, 32), settings, classes)
        pixels = np.random.default_rng(0).integers(0, 256, (64, 32, 3), np.uint8)
        return segmenter.segment([pixels])[0].confidence

    alone = [best(index) for index in range(3)]
    assert len(set(alone)) == 3
    assert best(0, 2) == max(alone[0], alone[2])
    assert best(2, 1, 0) == max(alone)
