"""Multi-scale fusion: four stages, one map, weighed by the image itself (paper II-B).

The paper projects stages 1 to 3 at their own resolution and then brings the projections to stage
4's with a bilinear interpolation. Shrinking by an even ratio r without antialias puts each output
location in the middle of four pixels, rows and columns ``r·i + r/2 − 1`` and ``r·i + r/2``, and
gives it their mean: every weight is 1/4, no other pixel is read. In eval mode the projection (1×1
convolution, batch normalisation by running statistics, ReLU) treats each pixel by itself, so it
commutes with picking pixels. Picking the 2×2 first, projecting those alone and averaging them
afterwards is therefore the same function of the input, not an approximation, for a quarter of the
multiplications: stages 1 to 3 at 64×32, 32×16 and 16×8 all become 16×8.

In training mode batch normalisation wants the whole map's statistics, as in the paper. Before it
comes nothing but a product with a matrix W, so they follow from the map's own moments: the mean of
Wx is W·mean(x), its variance the diagonal of W·cov(x)·Wᵀ. A covariance of C×C takes the place of a
projection to the full width, and again only the 2×2 pixels are projected: the same function, with
the same gradients and running statistics, for less work wherever C is well below the width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from visnet_model.network.moments import channel_moments

REDUCTION = 4
"""The scale attention's hidden layer is narrower than the map by this: 2048 to 512."""


class Projection(nn.Sequential):
    """1×1 convolution without bias, batch normalisation, ReLU (equation 1)."""

    def __init__(self, channels: int, width: int) -> None:
        conv = nn.Conv2d(channels, width, kernel_size=1, bias=False)
        nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
        super().__init__(conv, nn.BatchNorm2d(width), nn.ReLU(inplace=True))

    @property
    def measures_alone(self) -> bool:
        """Whether batch statistics are computed, and of this process's batch: no SyncBatchNorm."""
        norm = self[1]
        return isinstance(norm, nn.BatchNorm2d) and norm.training

    def project_some(self, pixels: Tensor, stage: Tensor) -> Tensor:
        """Project some pixels of a map as training mode would together with all the others.

        Running statistics are updated with those of the whole map, too. Only for a projection that
        `measures_alone`.

        Args:
            pixels: N×C×h×w, picked from ``stage``.
            stage: N×C×H×W, at least two pixels in all.

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
    """Update running statistics as `nn.BatchNorm2d` does: the variance there is the unbiased."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.num_batches_tracked is not None
    assert norm.momentum is not None
    norm.num_batches_tracked.add_(1)
    unbiased = variance * (count / (count - 1))
    for average, value in ((norm.running_mean, mean), (norm.running_var, unbiased)):
        average.mul_(1 - norm.momentum).add_(value, alpha=norm.momentum)


class ScaleAttention(nn.Sequential):
    """One weight in 0..1 per stage, not normalised to sum 1, from the pooled mean map (equation 3).

    1×1 convolutions stand for the paper's fully connected layers, as in its footnote.
    """

    def __init__(self, width: int, stages: int) -> None:
        super().__init__(
            nn.Conv2d(width, width // REDUCTION, kernel_size=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(width // REDUCTION, stages, kernel_size=1),
            nn.Sigmoid(),
        )


class MultiScaleFusion(nn.Module):
    """Projects stages to the last one's width, aligns them with it, and sums them weighted.

    Attributes:
        width: Channels of the fused map, those of the last stage.
        short_cut: Whether only the pixels that the alignment reads are projected, where the sizes
            allow it and, in training mode, where that is less work. The result is the same;
            ``False`` is for measuring what it saves.
    """

    def __init__(self, widths: Sequence[int], *, short_cut: bool = True) -> None:
        super().__init__()
        *earlier, self.width = widths
        self.short_cut = short_cut
        # The last stage has the width already: an identity, by the paper's parameter count.
        self.projections = nn.ModuleList(Projection(channels, self.width) for channels in earlier)
        self.attention = ScaleAttention(self.width, len(widths))

    def forward(self, stages: Sequence[Tensor]) -> Tensor:
        """Fuse the maps of all stages.

        Args:
            stages: N×C×H×W each, with the channels given to the constructor, the smallest last.

        Returns:
            N×`width`×h×w, of the last stage's size.
        """
        *earlier, last = stages
        size = (last.shape[2], last.shape[3])
        aligned = [
            self._align(projection, stage, size)
            for projection, stage in zip(self.projections, earlier, strict=True)
        ]
        maps = torch.stack([*aligned, last], dim=1)  # N×stages×C×h×w
        # The pool of the mean map (equation 2) is one mean over stages and locations.
        pooled = maps.mean(dim=(1, 3, 4))[:, :, None, None]
        weights: Tensor = self.attention(pooled)  # N×stages×1×1
        return (weights.unsqueeze(2) * maps).sum(dim=1)  # equation 4

    def _align(self, projection: nn.Module, stage: Tensor, size: tuple[int, int]) -> Tensor:
        """Project a stage and bring it to the fused map's size, on the shorter way if there is."""
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
    """Say whether height and width are even multiples of those to reach."""
    return all(
        given % wanted == 0 and given // wanted % 2 == 0
        for given, wanted in zip(stage.shape[2:], size, strict=True)
    )


def moments_pay_off(stage: Tensor, size: tuple[int, int], width: int) -> bool:
    """Say whether covariance and picked pixels take fewer products than projecting all pixels.

    For VisNet's stages 1 and 2 they take 3/16 and 1/2 of them; of stage 3 every pixel is read.
    """
    _, channels, full_height, full_width = stage.shape
    read = 4 * size[0] * size[1] / (full_height * full_width)
    return channels + read * width < width


def pixels_read(stage: Tensor, size: tuple[int, int]) -> Tensor:
    """Pick the pixels that a bilinear interpolation to ``size`` reads.

    Args:
        stage: N×C×H×W, for which `shrinks_evenly` holds.
        size: Height h and width w to reach.

    Returns:
        N×C×2h×2w: the four pixels around the middle of each H/h × W/w block, in their order; the
        stage itself where it has no others. Otherwise channels_last, whatever the stage is: where
        that is channels_last too, picking pixels with all their channels is a hundred times
        faster than picking from each channel, and from other maps no slower.
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
    """Return the two in the middle of an even number."""
    return slice(ratio // 2 - 1, ratio // 2 + 1)
