"""How large VisNet is and what an image costs: the paper's Table III beside our own numbers.

FLOPs are those of ``thop.profile`` (package ``ultralytics-thop``), which counts a multiplication
with its addition as one. The paper's 4.601 G hold for inference that also computes the identity
logits, at full resolution in the fusion. Ours computes the embedding alone, and takes the fusion's
short cut; both are reported.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor, nn

from visnet_model.network.visnet import VisNet

INPUT_SIZE = (256, 128)
"""Height and width of the paper's input."""

PARTS = MappingProxyType(
    {
        "backbone": "ResNet backbone",
        "fusion": "multi-scale fusion",
        "semantic": "semantic head",
        "classifier": "classifier",
        "neck": "BN neck",
    }
)
"""Attributes of `VisNet` in the order of Table III, with what the table calls them."""

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
"""Table III as printed; its two largest are a little off what its own counts give."""

PAPER_FLOPS = "4.601 G"
"""Table II as printed: 4,601,915,392 cut off, not rounded."""


@dataclass(frozen=True, slots=True)
class Complexity:
    """Parameters, and FLOPs per image of 256×128 in eval mode.

    Attributes:
        parameters: Per part, in the order of `PARTS`; frozen ones are counted.
        flops_paper: What the paper counts: embedding and identity logits, without the short cut.
        flops_semantic: The same with the semantic head.
        flops_short_cut: As ``flops_paper``, with the short cut.
        flops_inference: What inference runs here: the embedding alone, with the short cut.
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


def measure_complexity(network: VisNet) -> Complexity:
    """Count a network's parameters and FLOPs; the network itself stays as it is."""
    parameters = {part: count_parameters(getattr(network, part)) for part in PARTS}
    return Complexity(
        parameters=parameters,
        flops_paper=count_flops(network, short_cut=False, logits=True),
        flops_semantic=count_flops(network, short_cut=False, logits=True, semantic=True),
        flops_short_cut=count_flops(network, short_cut=True, logits=True),
        flops_inference=count_flops(network, short_cut=True),
    )


def count_parameters(module: nn.Module) -> int:
    """Return the number of a module's parameters, frozen ones included."""
    return sum(parameter.numel() for parameter in module.parameters())


def count_flops(
    network: VisNet,
    *,
    short_cut: bool,
    logits: bool = False,
    semantic: bool = False,
    size: tuple[int, int] = INPUT_SIZE,
) -> int:
    """Count what one image costs in eval mode.

    Args:
        network: Left as it is: a copy on the CPU is counted.
        short_cut: Whether the fusion takes its short cut.
        logits: Whether identity logits are computed beside the embedding.
        semantic: Whether the semantic head runs too.
        size: Height and width of the image.

    Returns:
        FLOPs by ``thop.profile``.
    """
    import thop  # here, because only this needs it

    counted = copy.deepcopy(network).cpu().float().eval()
    counted.fusion.short_cut = short_cut
    image = torch.zeros(1, 3, *size)
    flops, _ = thop.profile(_Inference(counted, logits, semantic), inputs=(image,), verbose=False)
    return int(flops)


def complexity_table(complexity: Complexity) -> str:
    """Set the paper's Table III, and its FLOPs, beside our numbers as text."""
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
        _line("  that, embedding only", "", "", f"{complexity.flops_inference:,}"),
    ]
    return "\n".join(lines)


def _line(name: str, paper: str, paper_share: str, ours: str, share: str = "") -> str:
    return f"{name:25}{paper:>11}{paper_share:>9}{ours:>15}{share:>9}".rstrip()


class _Inference(nn.Module):
    """Eval mode with a choice of what is computed beside the embedding."""

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
