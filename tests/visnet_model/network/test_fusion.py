from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from visnet_model.network.fusion import (
    MultiScaleFusion,
    moments_pay_off,
    pixels_read,
    shrinks_evenly,
)

WIDTHS = (4, 8, 16, 32)
SIZES = [(32, 16), (16, 8), (8, 4), (4, 2)]

torch.set_num_threads(1)


def parts_of(projection: Any) -> Any:
    """Return convolution, normalisation and ReLU with their types; torch only knows modules."""
    return projection


def randomise_statistics(module: nn.Module, generator: torch.Generator) -> None:
    """Give every batch normalisation non-trivial statistics and affine parameters."""
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
            assert norm.running_mean is not None and norm.running_var is not None
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
    """A reference that follows equations 1 to 4 one by one, with an explicit mean map."""
    size = stages[-1].shape[2:]
    maps = [
        F.interpolate(projection(stage), size, mode="bilinear", align_corners=False)
        for projection, stage in zip(fusion.projections, stages[:-1], strict=True)
    ]
    maps.append(stages[-1])
    mean_map = (maps[0] + maps[1] + maps[2] + maps[3]) / 4
    pooled = F.adaptive_avg_pool2d(mean_map, 1)
    weights = fusion.attention(pooled).flatten(1)
    parts = [weights[:, i, None, None, None] * maps[i] for i in range(4)]
    return torch.stack(parts).sum(dim=0)


@pytest.mark.parametrize("training", [False, True])
def test_fusion_follows_the_equations(training: bool) -> None:
    generator = torch.Generator().manual_seed(1)
    fusion = MultiScaleFusion(WIDTHS).train(training)
    randomise_statistics(fusion, generator)
    stages = make_stages(SIZES, generator)
    torch.testing.assert_close(fusion(stages), slow_fusion(fusion, stages), rtol=1e-5, atol=1e-5)


def test_weights_of_scales_are_not_normalised() -> None:
    fusion = MultiScaleFusion(WIDTHS).eval()
    last: Any = fusion.attention[-2]
    nn.init.constant_(last.bias, 40.0)  # sigmoid: every weight 1
    nn.init.zeros_(last.weight)
    stages = make_stages([(8, 8), (4, 4), (2, 2), (1, 1)], torch.Generator().manual_seed(2))
    stages[:3] = [torch.zeros_like(stage) for stage in stages[:3]]
    for projection in fusion.projections:
        nn.init.zeros_(parts_of(projection)[1].bias)
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
        ((24, 4), (8, 2), False),  # by 3: only the middle pixel is read
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
    resized = F.interpolate(stage, (3, 2), mode="bilinear", align_corners=False)
    torch.autograd.backward(resized.sum())
    assert stage.grad is not None
    read = stage.grad != 0
    assert torch.equal(stage.grad[read], torch.full((3 * 24,), 0.25))
    expected = stage.detach()[read].reshape(1, 3, 6, 4)
    assert torch.equal(pixels_read(stage.detach(), (3, 2)), expected)


def test_short_cut_projects_a_fraction_of_the_pixels() -> None:
    fusion = MultiScaleFusion(WIDTHS)
    projected: list[tuple[int, ...]] = []
    for projection in fusion.projections:
        projection.register_forward_pre_hook(
            lambda _, inputs: projected.append(tuple(inputs[0].shape[2:]))
        )
    stages = make_stages(SIZES, torch.Generator().manual_seed(3))
    fusion.eval()(stages)
    assert projected == [(8, 4)] * 3
    projected.clear()
    fusion.train()(stages)  # stages 1 and 2 are not projected as a whole
    assert projected == SIZES[2:3]
    projected.clear()
    fusion.short_cut = False
    fusion(stages)
    fusion.eval()(stages)
    assert projected == SIZES[:3] * 2


def test_training_statistics_are_those_of_the_whole_map() -> None:
    fusion = MultiScaleFusion(WIDTHS).train()
    generator = torch.Generator().manual_seed(4)
    stages = make_stages(SIZES, generator)
    fusion(stages)
    convolved = parts_of(fusion.projections[0])[0](stages[0])
    expected = 0.1 * convolved.mean(dim=(0, 2, 3))  # momentum 0.1 from 0
    torch.testing.assert_close(parts_of(fusion.projections[0])[1].running_mean, expected)


def pair_of_paths(seed: int) -> tuple[MultiScaleFusion, MultiScaleFusion]:
    """The same fusion twice in training mode: without and with the short cut."""
    torch.manual_seed(seed)
    plain = MultiScaleFusion(WIDTHS, short_cut=False).train()
    randomise_statistics(plain, torch.Generator().manual_seed(seed))
    short = copy.deepcopy(plain)
    short.short_cut = True
    return plain, short


def train_step(fusion: MultiScaleFusion, stages: list[Tensor]) -> list[Tensor]:
    """Run a step of gradient descent; return the output and the gradients of the stages."""
    stages = [stage.detach().clone().requires_grad_() for stage in stages]
    fused = fusion(stages)
    generator = torch.Generator().manual_seed(5)
    target = torch.randn(fused.shape, generator=generator, dtype=torch.float64)
    (fused.double() - target).square().mean().backward()
    with torch.no_grad():
        for parameter in fusion.parameters():
            assert parameter.grad is not None
            parameter.sub_(0.1 * parameter.grad)
            parameter.grad = None
    gradients = [stage.grad for stage in stages if stage.grad is not None]
    assert len(gradients) == len(stages)
    return [fused.detach(), *gradients]


def assert_same_training(
    paths: tuple[MultiScaleFusion, MultiScaleFusion], batches: list[list[Tensor]], tolerance: float
) -> None:
    """Compare outputs, gradients, updated parameters and running statistics at every step."""
    plain, short = paths
    for stages in batches:
        for expected, found in zip(
            train_step(plain, stages), train_step(short, stages), strict=True
        ):
            torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)
        for name, expected in plain.state_dict().items():
            torch.testing.assert_close(
                short.state_dict()[name], expected, rtol=tolerance, atol=tolerance, msg=name
            )


@settings(deadline=None, max_examples=30)
@given(
    last=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    ratios=st.tuples(*[st.tuples(st.integers(1, 8), st.integers(1, 8))] * 3),
    batch=st.integers(1, 4),
    momentum=st.sampled_from([0.01, 0.1, 0.9]),
    offset=st.sampled_from([0.0, 3.0]),
    channels_last=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_training_with_the_short_cut_equals_the_plain_path(
    last: tuple[int, int],
    ratios: tuple[tuple[int, int], ...],
    batch: int,
    momentum: float,
    offset: float,
    channels_last: bool,
    seed: int,
) -> None:
    paths = pair_of_paths(seed)
    for fusion in paths:
        fusion.double()
        for projection in fusion.projections:
            parts_of(projection)[1].momentum = momentum
    sizes = [(last[0] * rows, last[1] * columns) for rows, columns in ratios]
    generator = torch.Generator().manual_seed(seed)
    layout = torch.channels_last if channels_last else torch.contiguous_format

    def draw(width: int, size: tuple[int, int]) -> Tensor:
        stage = torch.randn(batch, width, *size, generator=generator, dtype=torch.float64)
        return (stage + offset).to(memory_format=layout)

    sizes = [size if batch > 1 or size != (1, 1) else (2, 2) for size in sizes]  # no variance
    batches = [
        [draw(*drawn) for drawn in zip(WIDTHS, [*sizes, last], strict=True)] for _ in range(3)
    ]
    assert_same_training(paths, batches, tolerance=1e-9)


@pytest.mark.parametrize("offset", [0.0, 10.0])
def test_training_with_the_short_cut_equals_the_plain_path_in_fp32(offset: float) -> None:
    generator = torch.Generator().manual_seed(6)
    batches = [[stage + offset for stage in make_stages(SIZES, generator)] for _ in range(3)]
    assert_same_training(pair_of_paths(6), batches, tolerance=2e-5)


def test_short_cut_in_training_bears_constant_channels() -> None:
    """A variance of 0, which rounding could make negative."""
    generator = torch.Generator().manual_seed(7)
    stages = make_stages(SIZES, generator)
    stages[0][:] = 1000.1
    stages[1][:, ::2] = 0.0
    paths = pair_of_paths(7)
    for fusion in paths:
        fusion.double()
    assert_same_training(paths, [[stage.double() for stage in stages]], tolerance=1e-7)
    fused, *gradients = train_step(pair_of_paths(7)[1], stages)
    assert all(tensor.isfinite().all() for tensor in (fused, *gradients))


def test_one_pixel_in_all_is_the_same_error_on_both_paths() -> None:
    stages = [stage[:1, :, :1, :1] for stage in make_stages(SIZES, torch.Generator())]
    for fusion in pair_of_paths(8):
        with pytest.raises(ValueError, match="more than 1 value per channel"):
            fusion(stages)


def test_short_cut_in_training_is_no_worse_under_autocast() -> None:
    """bfloat16 affects both paths; the short cut's error must not exceed the plain path's."""
    errors: list[list[list[float]]] = []  # by seed, path and quantity
    for seed in range(10):
        generator = torch.Generator().manual_seed(seed)
        stages = [(stage + 1.0).relu() for stage in make_stages(SIZES, generator)]
        stages = [stage.bfloat16().to(memory_format=torch.channels_last) for stage in stages]
        paths = pair_of_paths(seed)
        exact = copy.deepcopy(paths[0]).double()
        expected = train_step(exact, [stage.double() for stage in stages])
        expected += [parts_of(each)[1].running_var for each in exact.projections]
        errors.append([])
        for fusion in paths:
            with torch.autocast("cpu", torch.bfloat16):  # the backward pass, too: the worst case
                found = train_step(fusion, stages)
            found += [parts_of(each)[1].running_var for each in fusion.projections]
            errors[-1].append(
                [
                    ((mine - wanted).norm() / wanted.norm()).item()
                    for mine, wanted in zip(found, expected, strict=True)
                ]
            )
    with_plain, with_short = torch.tensor(errors).mean(dim=0)
    assert (with_short <= 1.1 * with_plain + 1e-4).all()
    assert (with_plain > 0).all()


def test_frozen_statistics_stay_frozen_in_training() -> None:
    paths = pair_of_paths(10)
    for fusion in paths:
        for projection in fusion.projections:
            parts_of(projection)[1].eval()
    before = copy.deepcopy(parts_of(paths[1].projections[0])[1].running_mean)
    batches = [make_stages(SIZES, torch.Generator().manual_seed(10))]
    assert_same_training(paths, batches, tolerance=1e-5)
    assert torch.equal(parts_of(paths[1].projections[0])[1].running_mean, before)


def test_synchronised_batch_normalisation_takes_the_plain_path() -> None:
    fusion = nn.SyncBatchNorm.convert_sync_batchnorm(  # type: ignore[no-untyped-call]
        MultiScaleFusion(WIDTHS)
    ).train()
    projected: list[tuple[int, ...]] = []
    for projection in fusion.projections:
        # Its forward pass needs a GPU; the test only checks that it gets the whole maps.
        projection.register_forward_pre_hook(
            lambda _, inputs: projected.append(tuple(inputs[0].shape[2:]))
        )
        projection[1].forward = nn.Identity()
    fusion(make_stages(SIZES, torch.Generator().manual_seed(11)))
    assert projected == SIZES[:3]


@pytest.mark.parametrize(
    ("channels", "stage", "pays_off"),
    [
        (256, (64, 32), True),
        (512, (32, 16), True),
        (1024, (16, 8), False),  # all pixels are read
        (2048, (64, 32), False),  # a covariance as large as the projection
    ],
)
def test_moments_pay_off_for_narrow_maps_of_which_few_pixels_are_read(
    channels: int, stage: tuple[int, int], pays_off: bool
) -> None:
    assert moments_pay_off(torch.empty(1, channels, *stage), (8, 4), width=2048) is pays_off
