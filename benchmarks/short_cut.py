"""How much faster inference is with the fusion's short cut than on the plain path.

Both paths take turns in one run, because on a shared machine only ratios within a run carry over;
the ratio reported is the median of the rounds' ratios. Target on a CPU: at least 1.25. Run it from
the project's folder:

    python benchmarks/short_cut.py [--backbone resnet50] [--batch 16] [--rounds 7] [--threads N]
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch

from visnet_model.network.backbone import BACKBONES
from visnet_model.network.complexity import INPUT_SIZE
from visnet_model.network.visnet import VisNet


def images_per_second(network: VisNet, images: torch.Tensor, short_cut: bool) -> float:
    """Time one batch on one of the two paths."""
    network.fusion.short_cut = short_cut
    start = time.perf_counter()
    network(images)
    return len(images) / (time.perf_counter() - start)


def compare(network: VisNet, images: torch.Tensor, rounds: int) -> None:
    """Print the rates of both paths, their ratio, and how far their embeddings lie apart."""
    outputs = {}
    for short_cut in (False, True):  # warms up, too
        network.fusion.short_cut = short_cut
        outputs[short_cut] = network(images)
    difference = (outputs[True] - outputs[False]).norm(dim=1).max().item()
    pairs = [
        (images_per_second(network, images, False), images_per_second(network, images, True))
        for _ in range(rounds)
    ]
    plain, short = (statistics.median(rates) for rates in zip(*pairs, strict=True))
    ratios = sorted(short / plain for plain, short in pairs)
    print(
        f"plain {plain:7.1f}/s   short cut {short:7.1f}/s   ratio {statistics.median(ratios):.2f} "
        f"({ratios[0]:.2f} to {ratios[-1]:.2f})   largest relative difference {difference:.1e}"
    )


def main() -> None:
    """Measure contiguous and channels_last maps in fp32."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--backbone", choices=BACKBONES, default="resnet50")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, help="default: torch's own choice")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    images = torch.randn(options.batch, 3, *INPUT_SIZE)
    network = VisNet(751, backbone=options.backbone).eval()
    print(
        f"{options.backbone}, batch {options.batch}, {torch.get_num_threads()} threads, "
        f"torch {torch.__version__}"
    )
    with torch.inference_mode():
        for layout in (torch.contiguous_format, torch.channels_last):
            print(f"{layout!s:26}", end="")
            compare(
                network.to(memory_format=layout), images.to(memory_format=layout), options.rounds
            )


if __name__ == "__main__":
    main()
