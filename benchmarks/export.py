"""How fast the exported network is in ONNX Runtime, beside torch.

Random weights; all take turns in one run, because on a shared machine only ratios within a run
carry over; ratios are medians of the rounds'. Run it from the project's folder:

    python benchmarks/export.py [--backbone resnet50] [--batch 32] [--rounds 5] [--threads N]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import onnxruntime
import torch

from visnet_model.export.description import Description
from visnet_model.export.network import fold_batch_norms, inference_network
from visnet_model.export.onnx_file import INPUT, write_onnx
from visnet_model.network.backbone import BACKBONES, BackboneName
from visnet_model.network.complexity import INPUT_SIZE
from visnet_model.network.visnet import VisNet


def seconds(run: Callable[[], object]) -> float:
    """Time one batch."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def make_runners(
    backbone: BackboneName, batch: int, threads: int | None, folder: Path
) -> dict[str, Callable[[], object]]:
    """Export a network, print what came out, and return what to time."""
    network = inference_network(VisNet(751, backbone=backbone))
    folded = fold_batch_norms(network).to(memory_format=torch.channels_last)
    path = folder / "visnet.onnx"
    width = network.fusion.width
    written = write_onnx(
        path, network, Description(network.backbone.name, *INPUT_SIZE, width, False, "")
    )
    print(
        f"{backbone}: {written.size / 1e6:.1f} MB, differs from torch by {written.difference:.1e}; "
        f"torch {torch.__version__}, ONNX Runtime {written.runtime}, batch {batch}, "
        f"{torch.get_num_threads()} threads"
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or torch.get_num_threads()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    images = torch.randn(batch, 3, *INPUT_SIZE)
    feed = {INPUT: images.numpy()}
    channels_last = images.to(memory_format=torch.channels_last)
    return {
        "torch": lambda: network(images),
        "torch, folded, channels_last": lambda: folded(channels_last),
        "ONNX Runtime": lambda: session.run(None, feed),
    }


def main() -> None:
    """Measure, and print rates and ratios to plain torch."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--backbone", choices=BACKBONES, default="resnet50")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, help="default: torch's own choice")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        runners = make_runners(options.backbone, options.batch, options.threads, Path(folder))
        for run in runners.values():
            run()  # warms up
        rounds = [[seconds(run) for run in runners.values()] for _ in range(options.rounds)]
    for index, name in enumerate(runners):
        rate = options.batch / statistics.median(times[index] for times in rounds)
        ratio = statistics.median(times[0] / times[index] for times in rounds)
        print(f"{name:30} {rate:7.1f} images/s   ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
