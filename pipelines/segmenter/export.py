"""A trained network as it ships: fused, fp16, safetensors, with its model YAML beside."""

from __future__ import annotations

import copy
import hashlib
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import save_file
from torch import nn

from visnet_aug.masks.quality import QUALITY, QualityModel


def export(
    network: nn.Module,
    architecture: dict[str, Any],
    path: Path,
    quality: QualityModel | None = None,
) -> str:
    """Write ``path`` (``*.safetensors``) and its YAML; return the weights' SHA-256.

    Batch normalisation is folded into the convolutions first: running variances do not survive
    fp16, folded weights do.
    """
    own: Any = copy.deepcopy(network).eval()
    fused = own.fuse(verbose=False)
    state = {
        name: tensor.to(torch.float16).contiguous() for name, tensor in fused.state_dict().items()
    }
    if quality is not None:
        arrays = quality.as_arrays().items()
        state |= {QUALITY + name: torch.from_numpy(array) for name, array in arrays}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, path)
    path.with_suffix(".yaml").write_text(yaml.safe_dump(architecture, sort_keys=False))
    return hashlib.sha256(path.read_bytes()).hexdigest()
