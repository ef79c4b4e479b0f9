"""Start a training from fused weights of another network, wherever layers agree."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from ultralytics.nn.modules.conv import Conv


@torch.no_grad()
def start_from(network: nn.Module, weights: Path, images: Tensor) -> int:
    """Copy the convolutions that have the same name and shape; return how many.

    Shipped weights have batch normalisation folded in. Here its parts are found again: each
    normalisation is set so that it gives back what the folded convolution gave on ``images``.

    Args:
        network: To be trained; not fused.
        weights: A ``.safetensors`` file.
        images: float32 (N,3,H,W) in 0-1, like those that will be trained on.
    """
    state = load_file(weights)
    copied = 0
    handles = []
    for name, module in network.named_modules():
        weight, bias = (state.get(f"{name}.conv.{part}") for part in ("weight", "bias"))
        if not isinstance(module, Conv) or weight is None or bias is None:
            continue
        if weight.shape == module.conv.weight.shape:
            module.conv.weight.copy_(weight.float())
            handles.append(module.conv.register_forward_hook(_setter(module.bn, bias.float())))
            copied += 1
    network.eval()
    network(images)
    for handle in handles:
        handle.remove()
    return copied


def _setter(norm: Any, bias: Tensor) -> Callable[[nn.Module, object, Tensor], None]:
    def measure(_: nn.Module, __: object, output: Tensor) -> None:
        mean, variance = output.mean((0, 2, 3)), output.var((0, 2, 3)) + norm.eps
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance - norm.eps)
        norm.weight.copy_(variance.sqrt())
        norm.bias.copy_(mean + bias)

    return measure
