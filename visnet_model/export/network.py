"""The inference network: the parts of VisNet that compute an embedding.

Semantic head and classifier are left out: they are only needed in training, and the rows of the
classifier are the training identities. The fusion keeps its exact short cut.
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
from visnet_model.network.visnet import BNNeck, VisNet

PARTS = ("backbone", "fusion", "neck")
"""Attributes of `VisNet` that inference needs; their keys in a state dict start with these."""


class InferenceNetwork(nn.Module):
    """Images to embeddings, as computed by `VisNet` in eval mode; random weights.

    Args:
        backbone: Name of the ResNet.
        normalise: Whether the network normalises its input itself.

    Attributes:
        normalisation: Normalises uint8 images; an identity if the input is already normalised.
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
            images: RGB N×3×H×W: uint8, 0 to 255, if the network normalises; otherwise float32,
                normalised with ImageNet's mean and standard deviation.

        Returns:
            fp32 N×D of unit L2 norm, to compare by Euclidean distance.
        """
        stages = self.backbone(self.normalisation(images))
        return F.normalize(self.neck(self.fusion(stages)))


class InputNormalisation(nn.Module):
    """Normalise uint8 images with ImageNet's mean and standard deviation.

    The input is uint8, as decoders return it. With floating point it would be unclear whether
    values are 0 to 1 or 0 to 255; a runtime refuses a wrong dtype, but not a wrong scale.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name, values in (("mean", IMAGENET_MEAN), ("deviation", IMAGENET_STD)):
            # Not in the state dict: the constants are the same in every file.
            self.register_buffer(name, torch.tensor(values)[:, None, None], persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return uint8 N×3×H×W as normalised float32."""
        return (images.float() / 255 - self.mean) / self.deviation


def inference_network(network: VisNet, *, normalise: bool = False) -> InferenceNetwork:
    """Return a copy of the parts of a VisNet that inference needs, on the CPU and in eval mode."""
    inference = InferenceNetwork(network.backbone.name, normalise=normalise)
    state = network.state_dict()
    inference.load_state_dict(
        {key: value for key, value in state.items() if key.partition(".")[0] in PARTS}
    )
    return inference


def fold_batch_norms(network: InferenceNetwork) -> InferenceNetwork:
    """Return a copy without batch normalisation: fewer operations, the same result up to rounding.

    It is folded into the convolutions before it. The neck's has no convolution before it, and
    becomes a multiplication and an addition per dimension.
    """
    folded = copy.deepcopy(network)
    for module in list(folded.modules()):
        _fold_children(module)
    folded.neck.norm = _Affine(network.neck.norm)  # type: ignore[assignment]  # same interface
    return folded


def _fold_children(module: nn.Module) -> None:
    """Fold each batch normalisation into the convolution that is registered right before it.

    In ResNets and in the projections, this is the one whose output it normalises.
    """
    before = ""
    for name, child in list(module.named_children()):
        if isinstance(child, nn.BatchNorm2d):
            setattr(module, before, fuse_conv_bn_eval(getattr(module, before), child))
            setattr(module, name, nn.Identity())
        before = name


class _Affine(nn.Module):
    """Batch normalisation in eval mode: a factor and an offset for each dimension."""

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
