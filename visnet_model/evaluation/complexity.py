"""Parameters and FLOPs of VisNet, and the paper's Table III next to ours.

FLOPs are counted by ``thop.profile`` (package ``ultralytics-thop``), which counts a multiplication
with its addition as one. The paper's 4.601 G are for inference that also computes identity logits,
with the fusion at full resolution. Our inference only computes the embedding, and uses the fusion's
short cut; both are reported.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

import torch
from torch import Tensor, nn

from visnet_model.checkpoint import load_network
from visnet_model.errors import MissingPackageError
from visnet_model.network.visnet import VisNet

INPUT_SIZE = (256, 128)
"""Height and width of the paper's input."""

PAPER_IDENTITIES = 751
"""Number of Market-1501's training identities."""

PARTS = MappingProxyType(
    {
        "backbone": "ResNet backbone",
        "fusion": "multi-scale fusion",
        "semantic": "semantic head",
        "classifier": "classifier",
        "neck": "BN neck",
    }
)
"""Attributes of `VisNet` in the order of Table III, with their names in the table."""

PAPER_PARAMETERS = MappingProxyType(
    {
        "backbone": 23_508_032,
        "fusion": 4_733_444,
        "semantic": 2_628_100,
        "classifier": 1_538_048,
        "neck": 4_096,
    }
)
"""Table III: ResNet50, 751 identities."""

PAPER_SHARES = MappingProxyType(
    {
        "backbone": "72.57%",
        "fusion": "14.61%",
        "semantic": "8.11%",
        "classifier": "4.75%",
        "neck": "0.01%",
    }
)
"""Table III as printed; the two largest differ slightly from its own counts."""

PAPER_FLOPS = "4.601 G"
"""Table II as printed: 4,601,915,392, truncated."""


@dataclass(frozen=True, slots=True)
class Complexity:
    """Parameters, and FLOPs for an image of 256×128 in eval mode.

    Attributes:
        parameters: Parameters of each part, in the order of `PARTS`, including frozen ones.
        flops_paper: As in the paper: embedding and identity logits, without the short cut.
        flops_semantic: The same with the semantic head.
        flops_short_cut: As ``flops_paper``, with the short cut.
        flops_inference: Inference here: only the embedding, with the short cut.
    """

    parameters: dict[str, int]
    flops_paper: int
    flops_semantic: int
    flops_short_cut: int
    flops_inference: int

    @property
    def total(self) -> int:
        """Number of all parameters."""
        return sum(self.parameters.values())


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of a network.

    Attributes:
        parameters: Number of all parameters, including those only used in training, as in the
            paper.
        flops: FLOPs of embedding an image, or ``None`` if thop is not installed.
    """

    parameters: int
    flops: int | None


def compare_with_paper(checkpoint: str | Path | None = None) -> str:
    """Return the paper's Table III next to our numbers, as text.

    Args:
        checkpoint: Checkpoint of ``visnet-train``; the paper's network by default.

    Raises:
        MissingPackageError: thop is not installed.
        CheckpointError: The checkpoint cannot be used.
    """
    if find_spec("thop") is None:
        raise MissingPackageError(
            "FLOPs are counted by thop, which is not installed: pip install ultralytics-thop"
        )
    network = VisNet(PAPER_IDENTITIES) if checkpoint is None else load_network(checkpoint).network
    return complexity_table(measure_complexity(network))


def measure_cost(network: VisNet, size: tuple[int, int], *, flip: bool = False) -> Cost:
    """Count the parameters of a network and, if thop is installed, the FLOPs of an embedding.

    Args:
        network: It is not changed.
        size: Height and width of the images.
        flip: Whether the mirrored image is embedded, too.
    """
    flops = None
    if find_spec("thop") is not None:
        flops = (1 + flip) * count_flops(network, short_cut=True, size=size)
    return Cost(count_parameters(network), flops)


def measure_complexity(network: VisNet) -> Complexity:
    """Count the parameters and FLOPs of a network, which is not changed."""
    parameters = {part: count_parameters(getattr(network, part)) for part in PARTS}
    return Complexity(
        parameters=parameters,
        flops_paper=count_flops(network, short_cut=False, logits=True),
        flops_semantic=count_flops(network, short_cut=False, logits=True, semantic=True),
        flops_short_cut=count_flops(network, short_cut=True, logits=True),
        flops_inference=count_flops(network, short_cut=True),
    )


def count_parameters(module: nn.Module) -> int:
    """Return the number of parameters of a module, including frozen ones."""
    return sum(parameter.numel() for parameter in module.parameters())


def count_flops(
    network: VisNet,
    *,
    short_cut: bool,
    logits: bool = False,
    semantic: bool = False,
    size: tuple[int, int] = INPUT_SIZE,
) -> int:
    """Count the FLOPs for one image in eval mode, by ``thop.profile``.

    Args:
        network: It is not changed: a copy on the CPU is counted.
        short_cut: Whether the fusion uses its short cut.
        logits: Whether to compute identity logits, too.
        semantic: Whether to run the semantic head, too.
        size: Height and width of the image.
    """
    import thop  # optional package

    counted = copy.deepcopy(network).cpu().float().eval()
    counted.fusion.short_cut = short_cut
    image = torch.zeros(1, 3, *size)
    flops, _ = thop.profile(_Inference(counted, logits, semantic), inputs=(image,), verbose=False)
    return int(flops)


def complexity_table(complexity: Complexity) -> str:
    """Return the paper's Table III and its FLOPs next to our numbers, as text."""
    lines = [_line("parameters", "paper", "share", "ours", "share")]
    for part, name in PARTS.items():
        count = complexity.parameters[part]
        share = f"{count / complexity.total:.2%}"
        paper = f"{PAPER_PARAMETERS[part]:,}"
        lines.append(_line(name, paper, PAPER_SHARES[part], f"{count:,}", share))
    paper_total = f"{sum(PAPER_PARAMETERS.values()):,}"
    lines += [
        _line("total", paper_total, "100.00%", f"{complexity.total:,}", "100.00%"),
        "",
        _line("FLOPs, as in the paper", PAPER_FLOPS, "", f"{complexity.flops_paper:,}"),
        _line("  with the semantic head", "", "", f"{complexity.flops_semantic:,}"),
        _line("  with the short cut", "", "", f"{complexity.flops_short_cut:,}"),
        _line("  and only the embedding", "", "", f"{complexity.flops_inference:,}"),
    ]
    return "\n".join(lines)


def _line(name: str, paper: str, paper_share: str, ours: str, share: str = "") -> str:
    return f"{name:25}{paper:>11}{paper_share:>9}{ours:>15}{share:>9}".rstrip()


class _Inference(nn.Module):
    """Inference with a choice of outputs besides the embedding."""

    def __init__(self, network: VisNet, logits: bool, semantic: bool) -> None:
        super().__init__()
        self.network = network
        self.logits = logits
        self.semantic = semantic

    def forward(self, images: Tensor) -> None:
        fused = self.network.fusion(self.network.backbone(images))
        embeddings = self.network.neck(fused)
        if self.logits:
            self.network.classifier(embeddings)
        if self.semantic:
            self.network.semantic(fused)
