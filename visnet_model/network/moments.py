"""Mean and covariance of a map's channels, for statistics of what is linear in them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def channel_moments(stage: Tensor) -> tuple[Tensor, Tensor]:
    """Measure how the channels of a map vary together, over all its images and pixels.

    In fp32, fp64 for fp64 maps, with autocast or without it. Both results carry gradients (first
    derivatives only).

    Args:
        stage: N×C×H×W, in any memory format; channels_last needs no copy.

    Returns:
        The mean, C, and the covariance with divisor N·H·W, C×C.
    """
    pixels = stage.permute(0, 2, 3, 1).reshape(-1, stage.shape[1])
    moments: tuple[Tensor, Tensor] = _Moments.apply(pixels)
    return moments


class _Moments(torch.autograd.Function):
    """The moments of P×C pixels, with a gradient of one matrix product that keeps only the pixels.

    Autograd's own would keep a centred copy in fp32 and take two products in fp32: that costs more
    than `MultiScaleFusion` saves by it where there are many channels.
    """

    @staticmethod
    def forward(ctx: Any, pixels: Tensor) -> tuple[Tensor, Tensor]:
        with torch.autocast(pixels.device.type, enabled=False):
            exact = pixels.to(torch.promote_types(pixels.dtype, torch.float32))
            mean = exact.mean(dim=0)
            centred = exact - mean  # E[xxᵀ] − E[x]E[x]ᵀ would cancel where the mean is large
            covariance = centred.T @ centred / len(pixels)
        ctx.save_for_backward(pixels, mean)
        return mean, covariance

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, of_mean: Tensor, of_covariance: Tensor) -> Tensor:
        pixels, mean = ctx.saved_tensors
        with torch.autocast(pixels.device.type, enabled=False):
            # The covariance's dependence on the mean has no gradient: centred pixels sum to zero.
            centred = (pixels - mean).to(pixels.dtype)
            symmetric = (of_covariance + of_covariance.T) / len(pixels)
            return torch.addmm(
                (of_mean / len(pixels)).to(pixels.dtype), centred, symmetric.to(pixels.dtype)
            )
