"""Embeddings with their names as one ``.npz`` of plain arrays: no pickle in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from visnet_aug.files import replace_file
from visnet_model.errors import CheckpointError

NORM_TOLERANCE = 1e-3
"""How far a norm may be from 1."""


def write_embeddings(
    path: Path,
    embeddings: npt.NDArray[np.float32],
    names: npt.NDArray[np.str_],
    network_sha256: str,
    columns: Mapping[str, npt.NDArray[Any]],
) -> None:
    """Write embeddings; the same ones give the same bytes.

    Args:
        path: The file; replaced if it is there. Its folder must exist.
        embeddings: N×D of unit norm.
        names: N names.
        network_sha256: Which network they are of.
        columns: What else is known: N values each, of numbers or texts.

    Raises:
        CheckpointError: Embeddings are not of unit norm; nothing is written.
        OutputError: The file cannot be written; what was there before still is.
    """
    norms = np.linalg.norm(embeddings, axis=1)
    broken = ~(np.abs(norms - 1) <= NORM_TOLERANCE)  # NaN is no norm, either
    if broken.any():
        raise CheckpointError(
            f"{names[broken][0]}: its embedding has norm {norms[broken][0]:.4g} instead of 1, like "
            f"{np.count_nonzero(broken):,} of {len(names):,}: the network's training diverged; "
            "take an earlier checkpoint"
        )
    arrays: dict[str, Any] = {
        "embeddings": embeddings,
        "names": names,
        "network_sha256": np.array(network_sha256),
        **columns,
    }
    replace_file(path, lambda file: np.savez(file, **arrays))
