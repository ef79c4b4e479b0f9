from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from visnet_model.network.fusion import MultiScaleFusion, pixels_read, shrinks_evenly

WIDTHS = (4, 8, 16, 32)

torch.set_num_threads(1)


def randomise_statistics(module: nn.Module, generator: torch.Generator) -> None:
    """Give every batch normalisation statistics and an affine that do something."""
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
            norm.running_mean.normal_(0.0, 1.0, generator=generator)
            norm.running_var.uniform_(0.2, 3.0, generator=generator)
            with torch.no_grad():
                norm.weight.uniform_(-1.5, 1.5, generator=generator)
                norm.bias.normal_(0.0, 0.5, generator=generator)


def make_stages(sizes: list[tuple[int, int]], generator: torch.Generator) -> list[Tensor]:
    return [
        torch.randn(2, width, *size, generator=generator)
        for width, size in zip(WIDTHS, sizes, strict=True)
    ]


def slow_fusion(fusion: MultiScaleFusion, stages: list[Tensor]) -> Tensor:
    """Equations 1 to 4 one after the other, the mean map spelt out."""
    size = stages[-1].shape[2:]
    maps = [
        F.interpolate(projection(stage), size, mode="bilinear", align_corners=False)
        for projection, stage in zip(fusion.projections, stages[:-1], strict=True)
    ]
    maps.append(stages[-1])
    mean_map = (maps[0] + maps[1] + maps[2] + maps[3]) / 4
    pooled = F.adaptive_avg_pool2d(mean_map, 1)
    weights = fusion.attention(pooled).flatten(1)
    return sum(weights[:, i, None, None, None] * maps[i] for i in range(4))


@pytest.mark.parametrize("training", [False, True])
def test_fusion_follows_the_equations(training: bool) -> None:
    generator = torch.Generator().manual_seed(1)
    fusion = MultiScaleFusion(WIDTHS).train(training)
    randomise_statistics(fusion, generator)
    stages = make_stages([(32, 16), (16, 8), (8, 4), (4, 2)], generator)
    torch.testing.assert_close(fusion(stages), slow_fusion(fusion, stages), rtol=1e-5, atol=1e-5)


def test_weights_of_scales_are_not_normalised() -> None:
    fusion = MultiScaleFusion(WIDTHS).eval()
    nn.init.constant_(fusion.attention[-2].bias, 40.0)  # sigmoid: every weight 1
    nn.init.zeros_(fusion.attention[-2].weight)
    stages = make_stages([(8, 8), (4, 4), (2, 2), (1, 1)], torch.Generator().manual_seed(2))
    stages[:3] = [torch.zeros_like(stage) for stage in stages[:3]]
    for projection in fusion.projections:
        nn.init.zeros_(projection[1].bias)
    torch.testing.assert_close(fusion(stages), stages[-1])


@settings(deadline=None, max_examples=40)
@given(
    last=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    ratios=st.tuples(*[st.tuples(st.integers(1, 8), st.integers(1, 8))] * 3),
    seed=st.integers(0, 2**31),
)
def test_short_cut_equals_plain_path_for_whole_ratios(
    last: tuple[int, int], ratios: tuple[tuple[int, int], ...], seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    fusion = MultiScaleFusion(WIDTHS).eval()
    randomise_statistics(fusion, generator)
    sizes = [(last[0] * rows, last[1] * columns) for rows, columns in ratios]
    stages = make_stages([*sizes, last], generator)
    with torch.inference_mode():
        short = fusion(stages)
        fusion.short_cut = False
        plain = fusion(stages)
    assert (short - plain).norm() <= 1e-5 * plain.norm()


@pytest.mark.parametrize(
    ("stage", "size", "even"),
    [
        ((64, 32), (8, 4), True),
        ((16, 8), (8, 4), True),
        ((8, 4), (8, 4), False),  # nothing to shrink
        ((24, 4), (8, 2), False),  # by 3: the middle pixel alone is read
        ((17, 8), (8, 4), False),
        ((16, 9), (8, 4), False),
    ],
)
def test_short_cut_is_taken_for_even_ratios_only(
    stage: tuple[int, int], size: tuple[int, int], even: bool
) -> None:
    assert shrinks_evenly(torch.empty(1, 1, *stage), size) is even


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("ratio", [2, 4, 8])
def test_pixels_read_are_those_on_which_the_interpolation_depends(
    ratio: int, memory_format: torch.memory_format
) -> None:
    stage = torch.randn(1, 3, 3 * ratio, 2 * ratio).to(memory_format=memory_format)
    stage.requires_grad_(True)
    F.interpolate(stage, (3, 2), mode="bilinear", align_corners=False).sum().backward()
    assert stage.grad is not None
    read = stage.grad != 0
    assert torch.equal(stage.grad[read], torch.full((3 * 24,), 0.25))
    expected = stage.detach()[read].reshape(1, 3, 6, 4)
    assert torch.equal(pixels_read(stage.detach(), (3, 2)), expected)


def test_short_cut_projects_a_fraction_of_the_pixels_in_eval_mode_only() -> None:
    fusion = MultiScaleFusion(WIDTHS)
    projected: list[tuple[int, ...]] = []
    for projection in fusion.projections:
        projection.register_forward_pre_hook(
            lambda _, inputs: projected.append(tuple(inputs[0].shape[2:]))
        )
    sizes = [(32, 16), (16, 8), (8, 4), (4, 2)]
    stages = make_stages(sizes, torch.Generator().manual_seed(3))
    fusion.eval()(stages)
    assert projected == [(8, 4)] * 3
    projected.clear()
    fusion.train()(stages)
    assert projected == sizes[:3]


def test_training_statistics_are_those_of_the_whole_map() -> None:
    fusion = MultiScaleFusion(WIDTHS).train()
    generator = torch.Generator().manual_seed(4)
    stages = make_stages([(32, 16), (16, 8), (8, 4), (4, 2)], generator)
    fusion(stages)
    convolved = fusion.projections[0][0](stages[0])
    expected = 0.1 * convolved.mean(dim=(0, 2, 3))  # momentum 0.1 from 0
    torch.testing.assert_close(fusion.projections[0][1].running_mean, expected)
