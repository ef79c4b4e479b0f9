from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from visnet_model.network.backbone import BACKBONES, Backbone
from visnet_model.network.visnet import TrainingOutputs, VisNet

torch.set_num_threads(1)


def randomise_statistics(network: nn.Module, seed: int) -> None:
    """Give every batch normalisation statistics that differ from the initial ones."""
    generator = torch.Generator().manual_seed(seed)
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
            assert norm.running_mean is not None and norm.running_var is not None
            norm.running_mean.normal_(0.0, 0.2, generator=generator)
            norm.running_var.uniform_(0.5, 2.0, generator=generator)


def embed_both_ways(network: VisNet, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    with torch.inference_mode():
        network.fusion.short_cut = True
        short = network(images)
        network.fusion.short_cut = False
        return short, network(images)


@pytest.fixture(scope="module")
def small() -> Iterator[VisNet]:
    torch.manual_seed(0)
    yield VisNet(5, backbone="resnet18")


@settings(deadline=None, max_examples=25)
@given(
    size=st.one_of(
        st.tuples(st.sampled_from([32, 64, 96, 128]), st.sampled_from([32, 64])),
        st.tuples(st.integers(32, 100), st.integers(32, 70)),
    ),
    seed=st.integers(0, 2**31),
)
def test_short_cut_gives_the_same_embeddings(
    small: VisNet, size: tuple[int, int], seed: int
) -> None:
    randomise_statistics(small.eval(), seed)
    images = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(seed))
    short, plain = embed_both_ways(small, images)
    assert (short - plain).norm(dim=1).max() <= 1e-5


def test_short_cut_gives_the_same_embeddings_with_resnet50() -> None:
    torch.manual_seed(1)
    network = VisNet(5).eval()
    randomise_statistics(network, 1)
    short, plain = embed_both_ways(network, torch.randn(2, 3, 128, 64))
    assert (short - plain).norm(dim=1).max() <= 1e-5
    assert (short[0] - short[1]).norm() > 1e-3  # and they say something about the image


def test_training_mode_returns_what_the_losses_need(small: VisNet) -> None:
    outputs = small.train()(torch.randn(4, 3, 64, 32))
    assert isinstance(outputs, TrainingOutputs)
    shapes = {name: tuple(value.shape) for name, value in outputs._asdict().items()}
    assert shapes == {
        "embeddings": (4, 512),
        "logits": (4, 5),
        "semantic_logits": (4, 4, 2, 1),
        "pseudo_labels": (4, 2, 1),
    }
    torch.testing.assert_close(outputs.logits, small.classifier(outputs.embeddings))
    # The neck's output: each dimension centred over the batch.
    torch.testing.assert_close(outputs.embeddings.mean(0), torch.zeros(512), atol=1e-5, rtol=0)


def test_losses_reach_every_parameter_but_the_frozen_bias(small: VisNet) -> None:
    outputs = small.train()(torch.randn(4, 3, 64, 32))
    loss = (
        F.cross_entropy(outputs.logits, torch.tensor([0, 1, 2, 3]))
        + F.cross_entropy(outputs.semantic_logits, outputs.pseudo_labels)
        + outputs.embeddings.square().sum()
    )
    small.zero_grad()
    loss.backward()
    without = [name for name, p in small.named_parameters() if p.grad is None]
    assert without == ["neck.norm.bias"]
    assert not small.neck.norm.bias.any()


def test_eval_mode_returns_unit_embeddings_of_the_neck_alone(small: VisNet) -> None:
    images = torch.randn(3, 3, 64, 32)
    with torch.inference_mode():
        embeddings = small.eval()(images)
        neck = small.neck(small.fusion(small.backbone(images)))
    torch.testing.assert_close(embeddings, neck / neck.norm(dim=1, keepdim=True))
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(3))


def test_embeddings_are_single_precision_under_autocast(small: VisNet) -> None:
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        embeddings = small.eval()(torch.randn(2, 3, 64, 32))
    assert embeddings.dtype == torch.float32
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(2))


@pytest.mark.parametrize(
    ("name", "widths"),
    [
        ("resnet50", (256, 512, 1024, 2048)),
        ("resnet34", (64, 128, 256, 512)),
        ("resnet18", (64, 128, 256, 512)),
    ],
)
def test_widths_are_those_of_the_stages_at_strides_4_to_32(
    name: str, widths: tuple[int, ...]
) -> None:
    backbone = Backbone(name).eval()  # type: ignore[arg-type]
    assert backbone.widths == widths
    with torch.inference_mode():
        shapes = [tuple(stage.shape) for stage in backbone(torch.zeros(1, 3, 64, 32))]
    assert shapes == [
        (1, width, 64 // stride, 32 // stride)
        for width, stride in zip(widths, (4, 8, 16, 32), strict=True)
    ]


def test_unknown_backbone_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="unknown backbone 'vgg'; one of resnet50"):
        Backbone("vgg")  # type: ignore[arg-type]
    assert BACKBONES == ("resnet50", "resnet34", "resnet18")
