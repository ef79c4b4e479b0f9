"""Where a backbone's weights come from: ImageNet by torchvision, or a local state dict.

Without either they stay random, as the paper says it trained. A file must fit key by key; what is
missing, unexpected or of another shape is named in one line, and the backbone stays as it was.
Pickles are read with ``weights_only=True`` and therefore run no code of the file's.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from urllib.error import URLError

import torch
import torchvision
from safetensors.torch import load_file
from torch import Tensor

from visnet_model.errors import WeightsError
from visnet_model.network.backbone import Backbone

IMAGENET = "imagenet"

CLASSIFIER = "fc."
"""Prefix of ImageNet's own classifier, which a backbone does without."""

COUNTER = ".num_batches_tracked"
"""Suffix of batch normalisation's step counters: nothing reads them, and old files lack them."""

NAMED = 5
"""So many keys of each kind are named in an error; the rest are counted."""


def load_backbone(backbone: Backbone, source: str | Path) -> str:
    """Load weights into a backbone.

    Args:
        backbone: Changed in place, or left alone if anything is wrong.
        source: ``imagenet`` for torchvision's first ImageNet weights (``IMAGENET1K_V1``, the ones
            that person re-identification starts from), downloaded once into torch's own cache and
            checked against the checksum in their name; else a ``.pth``, ``.pt`` or
            ``.safetensors`` file with the state dict of a ResNet as torchvision names its keys.

    Returns:
        What was loaded, for the log: its name, and for a file its checksum.

    Raises:
        WeightsError: The download failed, or the file is missing, unreadable, or not of this
            ResNet.
    """
    if str(source) == IMAGENET:
        weights = torchvision.models.get_model_weights(backbone.name).IMAGENET1K_V1
        name, state = str(weights), _download(weights)
    else:
        path = Path(source)
        state = _read(path)
        name = f"{path} (sha256 {hashlib.sha256(path.read_bytes()).hexdigest()[:12]}…)"
    kept = {key: value for key, value in state.items() if not key.startswith(CLASSIFIER)}
    problems = _problems(kept, backbone.state_dict())
    if problems:
        raise WeightsError(f"{source}: not the weights of a {backbone.name}: {problems}")
    # Not strict because of the counters alone; everything else has been checked.
    backbone.load_state_dict(kept, strict=False)
    return name


def _download(weights: torchvision.models.WeightsEnum) -> Mapping[str, Tensor]:
    """Fetch torchvision's weights, or take them from torch's cache."""
    try:
        state: Mapping[str, Tensor] = weights.get_state_dict(
            progress=False, check_hash=True, weights_only=True, map_location="cpu"
        )
    except (URLError, OSError, RuntimeError, pickle.UnpicklingError) as error:
        raise WeightsError(
            f"{weights.url}: cannot be downloaded ({_one_line(error)}); download it elsewhere and "
            "give the file"
        ) from error
    return state


def _read(path: Path) -> Mapping[str, Tensor]:
    """Read a state dict from a file, as tensors on the CPU."""
    if not path.is_file():
        raise WeightsError(f"{path}: no such file; give {IMAGENET}, or a file of weights")
    if path.suffix not in READERS:
        raise WeightsError(f"{path}: not one of {', '.join(READERS)}")
    try:
        state = READERS[path.suffix](path)
    except pickle.UnpicklingError as error:  # torch's own text advises to trust the file
        raise WeightsError(
            f"{path}: holds more than names and tensors, or is damaged; not loaded"
        ) from error
    # Neither library has one class for a broken file: safetensors' own derives from Exception
    # alone, and torch passes on whatever unpickling meets.
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
"""How to read a file by its suffix."""


def _state_dict(state: object, path: Path) -> Mapping[str, Tensor]:
    """Check that a pickle held names and tensors, such as a whole checkpoint does not."""
    if not isinstance(state, Mapping):
        raise WeightsError(f"{path}: holds a {type(state).__name__}, not a state dict")
    odd = [str(key) for key, value in state.items() if not isinstance(value, Tensor)]
    if odd:
        raise WeightsError(f"{path}: not a state dict: no tensors under {_some(odd)}")
    return {str(key): value for key, value in state.items()}


def _problems(given: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> str:
    """Say how a state dict differs from the one wanted; empty if it fits."""
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
    """Name the first keys and count the rest."""
    names = list(keys)
    rest = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + rest


def _one_line(error: BaseException) -> str:
    """Return an error's first line; its kind where it has no text, as ``EOFError``."""
    return str(error).strip().partition("\n")[0] or type(error).__name__
