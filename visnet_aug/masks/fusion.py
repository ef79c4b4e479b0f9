"""Convolutions that compute their activation on the way out, on CPUs.

oneDNN can apply SiLU to a convolution's results while they are in the cache. PyTorch does so only
in compiled graphs, which take a compiler and minutes; here its fused operator is called directly.
A sixth of the bundled network's time is SiLU otherwise.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def can_fuse() -> bool:
    """Tell whether this build of torch has oneDNN and its fused operator."""
    mkldnn: Any = torch.ops.mkldnn
    available = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return bool(available) and hasattr(mkldnn, "_convolution_pointwise")


def fuse_activations(network: nn.Module) -> int:
    """Replace every convolution with bias and SiLU by a fused one, in place; return how many.

    Args:
        network: An Ultralytics network for inference on a CPU, its batch normalisation folded in.
    """
    from ultralytics.nn.modules.conv import Conv

    found = [
        (parent, name, child)
        for parent in network.modules()
        for name, child in parent.named_children()
        if isinstance(child, Conv)
        and isinstance(child.act, nn.SiLU)
        and not hasattr(child, "bn")
        and child.conv.bias is not None
        and child.conv.padding_mode == "zeros"
    ]
    for parent, name, child in found:
        setattr(parent, name, _SiluConvolution(child))
    return len(found)


class _SiluConvolution(nn.Module):
    """SiLU(convolution(x)) in one operator."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        self.conv = block.conv
        for name in ("f", "i", "type"):  # where Ultralytics' graph takes the input from
            if hasattr(block, name):
                setattr(self, name, getattr(block, name))

    def forward(self, x: Tensor) -> Tensor:
        conv = self.conv
        geometry = [list(part) for part in (conv.padding, conv.stride, conv.dilation)]
        result: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, conv.weight, conv.bias, *geometry, conv.groups, "swish", [], ""
        )
        return result
