"""Initial weights of a backbone: torchvision's ImageNet weights, or a local state dict.

Without either the weights are random, as in the paper. A file must fit key by key; otherwise one
line names the keys that are missing, unexpected or of another shape, and the backbone is unchanged.
Pickles are read with ``weights_only=True``, so that a file cannot run code.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from urllib.error import URLError

import torch
import torchvision
from safetensors.torch import load_file
from torch import Tensor

from visnet_aug.errors import WeightsError
from visnet_aug.files import sha256_of_file
from visnet_model.network.backbone import Backbone

IMAGENET = "imagenet"

CLASSIFIER = "fc."
"""Prefix of the ImageNet classifier, which a backbone does not have."""

COUNTER = ".num_batches_tracked"
"""Suffix of the step counters of batch normalisation: unused, and missing in old files."""

NAMED = 5
"""Number of keys of each kind that an error names; the rest are counted."""


def load_backbone(backbone: Backbone, source: str | Path) -> str:
    """Load weights into a backbone.

    Args:
        backbone: Changed in place; unchanged if anything is wrong.
        source: ``imagenet`` for torchvision's ``IMAGENET1K_V1`` weights, the usual ones in person
            re-identification. They are downloaded once into torch's cache and checked against the
            checksum in their name. Otherwise a ``.pth``, ``.pt`` or ``.safetensors`` file with a
            ResNet's state dict, with torchvision's keys.

    Returns:
        A description of the weights for the log: their name, and the checksum of a file.

    Raises:
        WeightsError: The download failed, or the file is missing, unreadable, or of another
            network.
    """
    if str(source) == IMAGENET:
        weights = torchvision.models.get_model_weights(backbone.name).IMAGENET1K_V1
        name, state = str(weights), _download(weights)
    else:
        path = Path(source)
        state = _read(path)
        name = f"{path} (sha256 {sha256_of_file(path)[:12]}…)"
    kept = {key: value for key, value in state.items() if not key.startswith(CLASSIFIER)}
    problems = _problems(kept, backbone.state_dict())
    if problems:
        raise WeightsError(f"{source}: not the weights of a {backbone.name}: {problems}")
    # Not strict because of the counters; everything else has been checked.
    backbone.load_state_dict(kept, strict=False)
    return name


def _download(weights: torchvision.models.WeightsEnum) -> Mapping[str, Tensor]:
    """Download torchvision's weights, or take them from torch's cache."""
    try:
        state: Mapping[str, Tensor] = weights.get_state_dict(
            progress=False, check_hash=True, weights_only=True, map_location="cpu"
        )
    except (URLError, OSError, RuntimeError, pickle.UnpicklingError) as error:
        raise WeightsError(
            f"{weights.url}: cannot be downloaded ({_one_line(error)}); download it on another "
            "machine and pass the file"
        ) from error
    return state


def _read(path: Path) -> Mapping[str, Tensor]:
    """Read a state dict from a file, with tensors on the CPU."""
    if not path.is_file():
        raise WeightsError(f"{path}: no such file; pass {IMAGENET} or a file of weights")
    if path.suffix not in READERS:
        raise WeightsError(f"{path}: not one of {', '.join(READERS)}")
    try:
        state = READERS[path.suffix](path)
    except pickle.UnpicklingError as error:  # torch's own text advises to trust the file
        raise WeightsError(
            f"{path}: holds more than names and tensors, or is damaged; not loaded"
        ) from error
    # Neither library has one class for broken files: safetensors' error derives from Exception, and
    # torch raises whatever unpickling raises.
    except Exception as error:
        raise WeightsError(f"{path}: cannot be read as weights: {_one_line(error)}") from error
    return _state_dict(state, path)


def _read_pickle(path: Path) -> object:
    state: object = torch.load(path, map_location="cpu", weights_only=True)
    return state


READERS: Mapping[str, Callable[[Path], object]] = {
    ".pth": _read_pickle,
    ".pt": _read_pickle,
    ".safetensors": load_file,
}
"""Readers by file suffix."""


def _state_dict(state: object, path: Path) -> Mapping[str, Tensor]:
    """Check that a file holds names and tensors; a whole checkpoint, for example, does not."""
    if not isinstance(state, Mapping):
        raise WeightsError(f"{path}: holds a {type(state).__name__}, not a state dict")
    odd = [str(key) for key, value in state.items() if not isinstance(value, Tensor)]
    if odd:
        raise WeightsError(f"{path}: not a state dict: no tensors under {_some(odd)}")
    return {str(key): value for key, value in state.items()}


def _problems(given: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> str:
    """Describe how a state dict differs from the one wanted; empty if it fits."""
    both = [key for key in wanted if key in given and not key.endswith(COUNTER)]
    found = {
        "missing": [key for key in wanted if key not in given and not key.endswith(COUNTER)],
        "unexpected": [key for key in given if key not in wanted],
        "of another shape": [
            f"{key} ({_shape(given[key])} for {_shape(wanted[key])})"
            for key in both
            if given[key].shape != wanted[key].shape
        ],
        "not finite floating point": [key for key in both if not _is_finite(given[key])],
    }
    return "; ".join(f"{kind}: {_some(keys)}" for kind, keys in found.items() if keys)


def _is_finite(value: Tensor) -> bool:
    return value.is_floating_point() and bool(torch.isfinite(value).all())


def _shape(value: Tensor) -> str:
    return "×".join(map(str, value.shape)) or "scalar"


def _some(keys: Iterable[str]) -> str:
    """Name the first keys and count the others."""
    names = list(keys)
    rest = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + rest


def _one_line(error: BaseException) -> str:
    """Return the first line of an error, or its class if it has no text, as ``EOFError``."""
    return str(error).strip().partition("\n")[0] or type(error).__name__
