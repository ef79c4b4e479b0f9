"""How much faster inference and training are with the fusion's short cut than on the plain path.

Both paths take turns in one run, because on a shared machine only ratios within a run carry over;
the ratio reported is the median of the rounds' ratios. Inference runs in fp32, its target on a CPU
is at least 1.25; a training step (forward and backward, no optimiser) runs in bfloat16 autocast on
channels_last maps. Run it from the project's folder:

    python benchmarks/short_cut.py [--train] [--backbone resnet50] [--size 256 128] [--batch 16]
                                   [--rounds 7] [--threads N]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from visnet_model.evaluation.complexity import INPUT_SIZE
from visnet_model.network.backbone import BACKBONES
from visnet_model.network.visnet import TrainingOutputs, VisNet

Step = Callable[[], torch.Tensor]


def inference(network: VisNet, images: torch.Tensor) -> Step:
    """Return a function that embeds the batch."""
    network.eval()

    def step() -> torch.Tensor:
        with torch.inference_mode():
            embeddings: torch.Tensor = network(images)
        return embeddings

    return step


def training(network: VisNet, images: torch.Tensor) -> Step:
    """Return a function that takes a batch forward and backward and gives its embeddings.

    Losses are left out but for what reaches every parameter: they cost the same on both paths.
    """
    network.train()

    def step() -> torch.Tensor:
        with torch.autocast(images.device.type, torch.bfloat16):
            outputs: TrainingOutputs = network(images)
        losses = [
            logits.float().square().mean() for logits in (outputs.logits, outputs.semantic_logits)
        ]
        torch.autograd.backward(losses)
        network.zero_grad()
        return outputs.embeddings.detach()

    return step


def timed(network: VisNet, step: Step, short_cut: bool) -> tuple[float, torch.Tensor]:
    """Take a step on one of the two paths; return its seconds and its embeddings."""
    network.fusion.short_cut = short_cut
    start = time.perf_counter()
    embeddings = step()
    return time.perf_counter() - start, embeddings


def compare(network: VisNet, step: Step, images: int, rounds: int) -> None:
    """Print the times of both paths, their ratio, and how far their embeddings lie apart."""
    # Warms up, too.
    plain_output, short_output = (timed(network, step, short_cut)[1] for short_cut in (False, True))
    apart = (short_output - plain_output).norm(dim=1) / plain_output.norm(dim=1)
    pairs = [(timed(network, step, False)[0], timed(network, step, True)[0]) for _ in range(rounds)]
    plain, short = (statistics.median(seconds) for seconds in zip(*pairs, strict=True))
    ratios = sorted(plain / short for plain, short in pairs)
    print(
        f"plain {1e3 * plain:6.0f} ms {images / plain:6.1f}/s   "
        f"short cut {1e3 * short:6.0f} ms {images / short:6.1f}/s   "
        f"ratio {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})   "
        f"largest relative difference {apart.max():.1e}"
    )


def main() -> None:
    """Measure inference on contiguous and channels_last maps, or training steps."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--train", action="store_true", help="training steps, not inference")
    parser.add_argument("--backbone", choices=BACKBONES, default="resnet50")
    parser.add_argument("--size", type=int, nargs=2, default=INPUT_SIZE, metavar=("H", "W"))
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, help="default: torch's own choice")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    images = torch.randn(options.batch, 3, *options.size)
    network = VisNet(751, backbone=options.backbone)
    print(
        f"{options.backbone}, {options.size[0]}×{options.size[1]}, batch {options.batch}, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}"
    )
    layouts = (
        [torch.channels_last] if options.train else [torch.contiguous_format, torch.channels_last]
    )
    for layout in layouts:
        network.to(memory_format=layout)
        prepare = training if options.train else inference
        print(f"{layout!s:26}", end="", flush=True)
        step = prepare(network, images.to(memory_format=layout))
        compare(network, step, options.batch, options.rounds)


if __name__ == "__main__":
    main()
