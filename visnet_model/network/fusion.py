"""Multi-scale fusion: four stages, one map, weighed by the image itself (paper II-B).

The paper projects stages 1 to 3 at their own resolution and then brings the projections to stage
4's with a bilinear interpolation. Shrinking by an even ratio r without antialias puts each output
location in the middle of four pixels, rows and columns ``r·i + r/2 − 1`` and ``r·i + r/2``, and
gives it their mean: every weight is 1/4, no other pixel is read. In eval mode the projection (1×1
convolution, batch normalisation by running statistics, ReLU) treats each pixel by itself, so it
commutes with picking pixels. Picking the 2×2 first, projecting those alone and averaging them
afterwards is therefore the same function of the input, not an approximation, for a quarter of the
multiplications: stages 1 to 3 at 64×32, 32×16 and 16×8 all become 16×8.

In training mode batch normalisation sees the whole map's statistics, as in the paper, and the
short cut would be another function; it isn't taken.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

REDUCTION = 4
"""The scale attention's hidden layer is narrower than the map by this: 2048 to 512."""


class Projection(nn.Sequential):
    """1×1 convolution without bias, batch normalisation, ReLU (equation 1)."""

    def __init__(self, channels: int, width: int) -> None:
        conv = nn.Conv2d(channels, width, kernel_size=1, bias=False)
        nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
        super().__init__(conv, nn.BatchNorm2d(width), nn.ReLU(inplace=True))


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
        short_cut: Whether eval mode projects only the pixels that the alignment reads, where the
            sizes allow it. The result is the same; ``False`` is for measuring what it saves.
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
        if self.short_cut and not self.training and shrinks_evenly(stage, size):
            return F.avg_pool2d(projection(pixels_read(stage, size)), kernel_size=2)
        return F.interpolate(projection(stage), size=size, mode="bilinear", align_corners=False)


def shrinks_evenly(stage: Tensor, size: tuple[int, int]) -> bool:
    """Say whether height and width are even multiples of those to reach."""
    return all(
        given % wanted == 0 and given // wanted % 2 == 0
        for given, wanted in zip(stage.shape[2:], size, strict=True)
    )


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
