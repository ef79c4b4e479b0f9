"""ResNet without pooling and classifier: images to the feature maps of four stages (paper II-A).

The modules have torchvision's names, so that a state dict of torchvision's ResNet fits key by key
(`visnet_model.network.weights`).
"""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import torchvision
from torch import Tensor, nn

BackboneName: TypeAlias = Literal["resnet50", "resnet34", "resnet18"]

BACKBONES: tuple[BackboneName, ...] = get_args(BackboneName)
"""ResNet50 is the paper's; the others are for small machines."""


class Backbone(nn.Module):
    """The stem and the four stages of a ResNet, with random weights.

    Attributes:
        name: Name of the ResNet.
        widths: Channels of the four stages: 256, 512, 1024 and 2048 for ResNet50.
    """

    def __init__(self, name: BackboneName = "resnet50") -> None:
        super().__init__()
        if name not in BACKBONES:
            raise ValueError(f"unknown backbone {name!r}; one of {', '.join(BACKBONES)}")
        resnet = getattr(torchvision.models, name)(weights=None)
        self.name = name
        self.conv1 = resnet.conv1
        self.bn1 = resnet.bn1
        self.relu = resnet.relu
        self.maxpool = resnet.maxpool
        self.layer1 = resnet.layer1
        self.layer2 = resnet.layer2
        self.layer3 = resnet.layer3
        self.layer4 = resnet.layer4
        last: int = resnet.fc.in_features
        self.widths = (last // 8, last // 4, last // 2, last)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the feature map of each stage.

        Args:
            images: N×3×H×W, normalised with ImageNet's mean and standard
                deviation.

        Returns:
            N×`widths[i]`×⌈H/s⌉×⌈W/s⌉ for the strides s = 4, 8, 16, 32.
        """
        stem = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        stage1 = self.layer1(stem)
        stage2 = self.layer2(stage1)
        stage3 = self.layer3(stage2)
        return stage1, stage2, stage3, self.layer4(stage3)
