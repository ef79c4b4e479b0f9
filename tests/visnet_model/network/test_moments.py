from __future__ import annotations

import pytest
import torch
from torch import Tensor

from visnet_model.network.fusion import channel_moments

torch.set_num_threads(1)


def slow_moments(stage: Tensor) -> tuple[Tensor, Tensor]:
    """A reference differentiated by autograd."""
    pixels = stage.transpose(0, 1).flatten(1)
    return pixels.mean(dim=1), torch.cov(pixels, correction=0)


def draw_map(memory_format: torch.memory_format, offset: float = 0.0) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    stage = torch.randn(3, 5, 4, 6, generator=generator, dtype=torch.float64) + offset
    return stage.to(memory_format=memory_format).requires_grad_()


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_moments_and_their_gradients(memory_format: torch.memory_format) -> None:
    stage = draw_map(memory_format)
    found, expected = channel_moments(stage), slow_moments(stage)
    generator = torch.Generator().manual_seed(2)
    gradients = [  # of a covariance used as a whole, not as a symmetric matrix
        torch.randn(moment.shape, generator=generator, dtype=torch.float64) for moment in found
    ]
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(
        torch.autograd.grad(found, stage, gradients),
        torch.autograd.grad(expected, stage, gradients),
    )


def test_a_large_mean_cancels_nothing() -> None:
    stage = draw_map(torch.channels_last, offset=1e3)
    mean, covariance = channel_moments(stage.float())
    expected = slow_moments(stage.float().double())
    torch.testing.assert_close(covariance.double(), expected[1], rtol=1e-4, atol=1e-4)
    assert mean.dtype == covariance.dtype == torch.float32


@pytest.mark.parametrize("inside", [torch.float32, torch.bfloat16])
def test_autocast_changes_nothing(inside: torch.dtype) -> None:
    stage = draw_map(torch.channels_last).to(inside)
    expected = channel_moments(stage)
    (wanted,) = torch.autograd.grad([moment.sum() for moment in expected], stage)
    with torch.autocast("cpu", torch.bfloat16):
        found = channel_moments(stage)
        (gradient,) = torch.autograd.grad([moment.sum() for moment in found], stage)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    torch.testing.assert_close(gradient, wanted, rtol=0, atol=0)
    assert found[1].dtype == torch.float32
    assert gradient.dtype == inside
