from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from visnet_model.network.semantic import (
    BACKGROUND,
    LOWER_BODY,
    SHOES,
    UPPER_BODY,
    SemanticHead,
    body_parts,
    pseudo_labels,
)

torch.set_num_threads(1)


@pytest.mark.parametrize(
    ("height", "parts"),
    [
        (1, "1"),
        (2, "01"),
        (5, "00112"),
        (8, "00011122"),
        (10, "0000111122"),
        (16, "0000001111111222"),
    ],
)
def test_body_parts_by_height(height: int, parts: str) -> None:
    assert "".join(map(str, body_parts(height).tolist())) == parts


@pytest.mark.parametrize("height", [20, 35, 1000])
def test_body_parts_are_40_40_and_20_percent_where_heights_allow(height: int) -> None:
    assert torch.bincount(body_parts(height)).tolist() == [
        height * 2 // 5,
        height * 2 // 5,
        height // 5,
    ]


def slow_labels(fused: torch.Tensor) -> list[list[list[int]]]:
    """A reference for equations 5 to 9, location by location, in float64."""
    labels = []
    for image in fused.double():
        _, height, width = image.shape
        norms = [
            [math.sqrt(sum(v * v for v in image[:, y, x].tolist())) for x in range(width)]
            for y in range(height)
        ]
        flat = [norm for row in norms for norm in row]
        mean = sum(flat) / len(flat)
        deviation = math.sqrt(sum((norm - mean) ** 2 for norm in flat) / len(flat))
        rows = []
        for y in range(height):
            centre = (y + 0.5) / height
            part = UPPER_BODY if centre < 0.4 else LOWER_BODY if centre < 0.8 else SHOES
            rows.append([part if n > mean + 0.5 * deviation else BACKGROUND for n in norms[y]])
        labels.append(rows)
    return labels


@settings(deadline=None, max_examples=30)
@given(
    shape=st.tuples(
        st.integers(1, 3), st.integers(1, 6), st.sampled_from([2, 4, 7, 8, 9]), st.integers(1, 5)
    ),
    seed=st.integers(0, 2**31),
)
def test_pseudo_labels_follow_the_equations(shape: tuple[int, ...], seed: int) -> None:
    fused = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    assert pseudo_labels(fused).tolist() == slow_labels(fused)


def test_pseudo_labels_judge_each_image_by_its_own_features() -> None:
    fused = torch.ones(2, 3, 8, 4)
    fused[0, :, 2:, 1] = 5.0
    fused[1] = 1000.0 * fused[0].flip(1)  # another strength, another place
    labels = pseudo_labels(fused)
    assert labels.dtype == torch.int64
    assert (labels[:, :, [0, 2, 3]] == BACKGROUND).all()
    assert labels[0, :, 1].tolist() == [3, 3, 0, 1, 1, 1, 2, 2]
    assert labels[1, :, 1].tolist() == [0, 0, 0, 1, 1, 1, 3, 3]


def test_a_uniform_map_is_background() -> None:
    assert (pseudo_labels(torch.full((1, 4, 8, 4), 2.0)) == BACKGROUND).all()


def test_pseudo_labels_have_no_gradient_and_do_not_overflow_in_half_precision() -> None:
    fused = torch.ones(1, 2048, 8, 4, dtype=torch.float16, requires_grad=True)
    strong = fused * torch.linspace(1, 6e4, 8, dtype=torch.float16)[:, None]
    labels = pseudo_labels(strong)
    assert not labels.requires_grad
    assert labels[0, :, 0].tolist() == [3, 3, 3, 3, 3, 1, 2, 2]


def test_head_scores_each_location_by_itself() -> None:
    head = SemanticHead(16).eval()
    fused = torch.randn(2, 16, 8, 4)
    logits = head(fused)
    assert logits.shape == (2, 4, 8, 4)
    torch.testing.assert_close(logits[1, :, 5, 2], head.layers(fused[1:, :, 5, 2])[0])


def test_semantic_loss_reaches_the_fused_map() -> None:
    fused = torch.randn(2, 16, 8, 4, requires_grad=True)
    logits = SemanticHead(16)(fused)
    loss = F.cross_entropy(logits, pseudo_labels(fused), label_smoothing=0.1)
    torch.autograd.backward(loss)
    assert fused.grad is not None
    assert fused.grad.abs().sum() > 0


def test_dropout_is_the_argument() -> None:
    fused = torch.randn(8, 16, 4, 4)
    for dropout, same in [(0.0, True), (0.5, False)]:
        head = SemanticHead(16, dropout)
        assert torch.equal(head(fused), head(fused)) is same
