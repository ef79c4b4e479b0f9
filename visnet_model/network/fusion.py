"""Multi-scale fusion: the maps of four stages become one, with weights per image (paper II-B).

The paper projects stages 1 to 3 at their own resolution and then resizes the projections to that of
stage 4 by bilinear interpolation. Shrinking by an even ratio r without antialiasing places each
output location between four pixels, rows and columns ``r·i + r/2 − 1`` and ``r·i + r/2``, and takes
their mean: each has weight 1/4, and no other pixel is read. In eval mode, the projection (1×1
convolution, batch normalisation with running statistics, ReLU) works on each pixel separately, so
it commutes with picking pixels. Picking the 2×2 pixels first, projecting only those, and averaging
them afterwards is therefore the same function of the input, not an approximation, for a quarter of
the multiplications: stages 1 to 3 at 64×32, 32×16 and 16×8 all become 16×8.

In training mode, batch normalisation needs the statistics of the whole projected map, as in the
paper. The projection before it is only a product with a matrix W, so the statistics follow from the
moments of the map itself: the mean of Wx is W·mean(x), and its variance is the diagonal of
W·cov(x)·Wᵀ. A C×C covariance replaces a projection to the full width, and again only the 2×2 pixels
are projected: the same function, with the same gradients and running statistics, for less work
wherever C is well below the width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

REDUCTION = 4
"""Ratio of the map's width to that of the attention's hidden layer: 2048 to 512."""


class Projection(nn.Sequential):
    """1×1 convolution without bias, batch normalisation, ReLU (equation 1)."""

    def __init__(self, channels: int, width: int) -> None:
        conv = nn.Conv2d(channels, width, kernel_size=1, bias=False)
        nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
        super().__init__(conv, nn.BatchNorm2d(width), nn.ReLU(inplace=True))

    @property
    def measures_alone(self) -> bool:
        """Whether statistics are those of this process's batch: training, without SyncBatchNorm."""
        norm = self[1]
        return isinstance(norm, nn.BatchNorm2d) and norm.training

    def project_some(self, pixels: Tensor, stage: Tensor) -> Tensor:
        """Project some pixels of a map, with the batch statistics of the whole map.

        The running statistics are updated with those of the whole map, too. Requires
        `measures_alone`.

        Args:
            pixels: N×C×h×w, picked from ``stage``.
            stage: N×C×H×W, with at least two pixels in total.

        Returns:
            N×width×h×w.
        """
        conv, norm, relu = self
        assert isinstance(conv, nn.Conv2d)
        assert isinstance(norm, nn.BatchNorm2d)
        mean, covariance = channel_moments(stage)
        with torch.autocast(stage.device.type, enabled=False):
            weight = conv.weight[:, :, 0, 0].to(mean.dtype)  # width×C
            # Rounding can leave the variance of a constant just below zero.
            variance = ((weight @ covariance) * weight).sum(dim=1).clamp_min(0)
            _update(norm, weight @ mean, variance, count=stage.numel() // stage.shape[1])
            # Normalising the weights and centring the pixels normalises their product.
            weight = weight * (norm.weight * torch.rsqrt(variance + norm.eps))[:, None]
            centred = (pixels - mean[:, None, None]).to(stage.dtype)
        weight = weight[:, :, None, None].to(conv.weight.dtype)
        projected: Tensor = relu(F.conv2d(centred, weight, norm.bias))
        return projected


@torch.no_grad()
def _update(norm: nn.BatchNorm2d, mean: Tensor, variance: Tensor, count: int) -> None:
    """Update running statistics as `nn.BatchNorm2d` does, with the unbiased variance."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.num_batches_tracked is not None
    assert norm.momentum is not None
    norm.num_batches_tracked.add_(1)
    unbiased = variance * (count / (count - 1))
    for average, value in ((norm.running_mean, mean), (norm.running_var, unbiased)):
        average.mul_(1 - norm.momentum).add_(value, alpha=norm.momentum)


class ScaleAttention(nn.Sequential):
    """A weight in 0..1 for each stage, from the pooled mean map (equation 3); their sum is not 1.

    1×1 convolutions replace the paper's fully connected layers, as in its footnote.
    """

    def __init__(self, width: int, stages: int) -> None:
        super().__init__(
            nn.Conv2d(width, width // REDUCTION, kernel_size=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(width // REDUCTION, stages, kernel_size=1),
            nn.Sigmoid(),
        )


class MultiScaleFusion(nn.Module):
    """Project all stages to the width and size of the last one, and return their weighted sum.

    Attributes:
        width: Channels of the fused map, the same as of the last stage.
        short_cut: Whether to project only the pixels that the interpolation reads, where the sizes
            allow it and, in training mode, where it is less work. The result is the same;
            ``False`` is for measuring the savings.
    """

    def __init__(self, widths: Sequence[int], *, short_cut: bool = True) -> None:
        super().__init__()
        *earlier, self.width = widths
        self.short_cut = short_cut
        # The last stage already has the width; by the paper's parameter count it has no projection.
        self.projections = nn.ModuleList(Projection(channels, self.width) for channels in earlier)
        self.attention = ScaleAttention(self.width, len(widths))

    def forward(self, stages: Sequence[Tensor]) -> Tensor:
        """Fuse the maps of all stages.

        Args:
            stages: N×C×H×W each, with the channels given to the constructor; the smallest map last.

        Returns:
            N×`width`×h×w, the size of the last stage.
        """
        *earlier, last = stages
        size = (last.shape[2], last.shape[3])
        aligned = [
            self._align(projection, stage, size)
            for projection, stage in zip(self.projections, earlier, strict=True)
        ]
        maps = torch.stack([*aligned, last], dim=1)  # N×stages×C×h×w
        # Pooling the mean map (equation 2) is a single mean over stages and locations.
        pooled = maps.mean(dim=(1, 3, 4))[:, :, None, None]
        weights: Tensor = self.attention(pooled)  # N×stages×1×1
        return (weights.unsqueeze(2) * maps).sum(dim=1)  # equation 4

    def _align(self, projection: nn.Module, stage: Tensor, size: tuple[int, int]) -> Tensor:
        """Project a stage and resize it to the fused map, by the short cut where possible."""
        if self.short_cut and shrinks_evenly(stage, size):
            if not self.training:
                return F.avg_pool2d(projection(pixels_read(stage, size)), kernel_size=2)
            if (
                isinstance(projection, Projection)
                and projection.measures_alone
                and moments_pay_off(stage, size, self.width)
            ):
                projected = projection.project_some(pixels_read(stage, size), stage)
                return F.avg_pool2d(projected, kernel_size=2)
        return F.interpolate(projection(stage), size=size, mode="bilinear", align_corners=False)


def shrinks_evenly(stage: Tensor, size: tuple[int, int]) -> bool:
    """Tell whether height and width are even multiples of the target size."""
    return all(
        given % wanted == 0 and given // wanted % 2 == 0
        for given, wanted in zip(stage.shape[2:], size, strict=True)
    )


def moments_pay_off(stage: Tensor, size: tuple[int, int], width: int) -> bool:
    """Tell whether covariance and picked pixels take fewer products than projecting all pixels.

    They take 3/16 and 1/2 of the products for VisNet's stages 1 and 2. Of stage 3, every pixel is
    read.
    """
    _, channels, full_height, full_width = stage.shape
    read = 4 * size[0] * size[1] / (full_height * full_width)
    return channels + read * width < width


def pixels_read(stage: Tensor, size: tuple[int, int]) -> Tensor:
    """Pick the pixels that a bilinear interpolation to ``size`` reads.

    Args:
        stage: N×C×H×W, for which `shrinks_evenly` holds.
        size: Target height h and width w.

    Returns:
        N×C×2h×2w: the four pixels around the centre of each H/h × W/w block, in their order; the
        stage itself if it has no other pixels. Otherwise the result is channels_last, whatever the
        layout of the stage: from a channels_last stage, picking pixels with all their channels is a
        hundred times faster than picking from each channel, and from other layouts no slower.
    """
    batch, channels, full_height, full_width = stage.shape
    height, width = size
    if (full_height, full_width) == (2 * height, 2 * width):
        return stage
    rows, columns = full_height // height, full_width // width  # of a block
    pixels = stage.permute(0, 2, 3, 1)
    blocks = pixels.view(batch, height, rows, width, columns, channels)
    middles = blocks[:, :, _middle(rows), :, _middle(columns)]  # N×h×2×w×2×C
    return middles.flatten(3, 4).flatten(1, 2).permute(0, 3, 1, 2)


def _middle(ratio: int) -> slice:
    """Return the slice of the two middle ones of an even number of items."""
    return slice(ratio // 2 - 1, ratio // 2 + 1)


def channel_moments(stage: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean and covariance of a map's channels over all images and pixels.

    Computed in fp32, or fp64 for fp64 maps, also under autocast. Both results carry gradients
    (first derivatives only).

    Args:
        stage: N×C×H×W in any memory format; channels_last avoids a copy.

    Returns:
        The mean, C, and the covariance, C×C, with divisor N·H·W.
    """
    pixels = stage.permute(0, 2, 3, 1).reshape(-1, stage.shape[1])
    moments: tuple[Tensor, Tensor] = _Moments.apply(pixels)
    return moments


class _Moments(torch.autograd.Function):
    """Moments of P×C pixels, whose gradient is one matrix product and only stores the pixels.

    Autograd would store a centred copy in fp32 and compute two products in fp32. With many
    channels, that costs more than `MultiScaleFusion` saves.
    """

    @staticmethod
    def forward(ctx: Any, pixels: Tensor) -> tuple[Tensor, Tensor]:
        with torch.autocast(pixels.device.type, enabled=False):
            exact = pixels.to(torch.promote_types(pixels.dtype, torch.float32))
            mean = exact.mean(dim=0)
            centred = exact - mean  # E[xxᵀ] − E[x]E[x]ᵀ cancels where the mean is large
            covariance = centred.T @ centred / len(pixels)
        ctx.save_for_backward(pixels, mean)
        return mean, covariance

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, of_mean: Tensor, of_covariance: Tensor) -> Tensor:
        pixels, mean = ctx.saved_tensors
        with torch.autocast(pixels.device.type, enabled=False):
            # The covariance has no gradient by way of the mean: centred pixels sum to zero.
            centred = (pixels - mean).to(pixels.dtype)
            symmetric = (of_covariance + of_covariance.T) / len(pixels)
            return torch.addmm(
                (of_mean / len(pixels)).to(pixels.dtype), centred, symmetric.to(pixels.dtype)
            )
