"""The inference network: what of VisNet makes an embedding, and nothing else.

Semantic head and classifier stay behind: they are for training, and the classifier's rows are the
training identities, which nobody who embeds needs to have. The fusion keeps its exact short cut.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import fuse_conv_bn_eval

from visnet_model.data.augment import IMAGENET_MEAN, IMAGENET_STD
from visnet_model.network.backbone import Backbone, BackboneName
from visnet_model.network.fusion import MultiScaleFusion
from visnet_model.network.identity import BNNeck
from visnet_model.network.visnet import VisNet

PARTS = ("backbone", "fusion", "neck")
"""Attributes of `VisNet` that inference needs; their keys in a state dict begin with these."""


class InferenceNetwork(nn.Module):
    """An image to its embedding, in eval mode as `VisNet` computes it; random weights.

    Args:
        backbone: Which ResNet.
        normalise: Whether the network normalises its input itself.

    Attributes:
        normalisation: The input's, with which images go in as they are decoded; an identity where
            they have to be normalised beforehand.
    """

    def __init__(self, backbone: BackboneName, *, normalise: bool = False) -> None:
        super().__init__()
        self.normalisation: nn.Module = InputNormalisation() if normalise else nn.Identity()
        self.backbone = Backbone(backbone)
        self.fusion = MultiScaleFusion(self.backbone.widths)
        self.neck = BNNeck(self.fusion.width)
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Return embeddings.

        Args:
            images: RGB N×3×H×W: uint8, 0 to 255, if the network normalises; else float32,
                normalised with ImageNet's mean and deviation.

        Returns:
            fp32 N×D of unit L2 norm, to be compared by Euclidean distance.
        """
        stages = self.backbone(self.normalisation(images))
        return F.normalize(self.neck(self.fusion(stages)))


class InputNormalisation(nn.Module):
    """0 to 255 to ImageNet's mean and deviation.

    Images go in as uint8, what every decoder gives: floating point would leave open whether they
    are 0 to 1 or 0 to 255, and a runtime refuses another type where it would take another scale.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name, values in (("mean", IMAGENET_MEAN), ("deviation", IMAGENET_STD)):
            # Not of the state dict: constants, the same in every file.
            self.register_buffer(name, torch.tensor(values)[:, None, None], persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return uint8 N×3×H×W as normalised float32."""
        return (images.float() / 255 - self.mean) / self.deviation


def inference_network(network: VisNet, *, normalise: bool = False) -> InferenceNetwork:
    """Copy what inference needs out of a VisNet, to the CPU and into eval mode."""
    inference = InferenceNetwork(network.backbone.name, normalise=normalise)
    state = network.state_dict()
    inference.load_state_dict(
        {key: value for key, value in state.items() if key.partition(".")[0] in PARTS}
    )
    return inference


def fold_batch_norms(network: InferenceNetwork) -> InferenceNetwork:
    """Return a copy without batch normalisation: fewer operations, the same to rounding.

    In convolutions it disappears. The neck's has no convolution before it and becomes one
    multiplication and addition per dimension.
    """
    folded = copy.deepcopy(network)
    for module in list(folded.modules()):
        _fold_children(module)
    folded.neck.norm = _Affine(network.neck.norm)  # type: ignore[assignment]  # called alike
    return folded


def _fold_children(module: nn.Module) -> None:
    """Fold each batch normalisation into the convolution registered right before it.

    In the ResNets and the projections that is the one whose output it normalises.
    """
    before = ""
    for name, child in list(module.named_children()):
        if isinstance(child, nn.BatchNorm2d):
            setattr(module, before, fuse_conv_bn_eval(getattr(module, before), child))
            setattr(module, name, nn.Identity())
        before = name


class _Affine(nn.Module):
    """What batch normalisation is in eval mode: a factor and a summand for each dimension."""

    scale: Tensor
    shift: Tensor

    def __init__(self, norm: nn.BatchNorm1d) -> None:
        super().__init__()
        assert norm.running_mean is not None
        assert norm.running_var is not None
        scale = norm.weight.detach() / (norm.running_var + norm.eps).sqrt()
        self.register_buffer("scale", scale)
        self.register_buffer("shift", norm.bias.detach() - norm.running_mean * scale)

    def forward(self, embeddings: Tensor) -> Tensor:
        return embeddings * self.scale + self.shift
