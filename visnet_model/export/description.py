"""The metadata of an exported file: a flat mapping of texts, the same in every format."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from visnet_aug import __version__
from visnet_model.data.augment import IMAGENET_MEAN, IMAGENET_STD
from visnet_model.network.backbone import BACKBONES, BackboneName

FORMAT = "visnet-inference-1"
"""A new layout gets a new number."""

LICENCE = "AGPL-3.0-only"
LICENCE_NOTE = (
    "The network's code is licensed AGPL-3.0-only; the terms of the images that it was trained on "
    "may also apply to its weights."
)


@dataclass(frozen=True, slots=True)
class Description:
    """An inference network without its weights; it does not contain training identities.

    Attributes:
        backbone: Name of the ResNet.
        height: Input height in pixels.
        width: Input width in pixels.
        dimensions: D, the length of an embedding.
        normalise: Whether the network normalises its input itself.
        checkpoint_sha256: Checksum of the checkpoint.
    """

    backbone: BackboneName
    height: int
    width: int
    dimensions: int
    normalise: bool
    checkpoint_sha256: str

    @property
    def input(self) -> str:
        """The network's input, in words."""
        shape = f"RGB N×3×{self.height}×{self.width}"
        if self.normalise:
            return f"uint8 {shape}, 0 to 255"
        return f"float32 {shape}, 0 to 1, then minus mean, divided by std"

    @property
    def output(self) -> str:
        """The network's output, in words."""
        return f"float32 N×{self.dimensions} of unit L2 norm, to compare by Euclidean distance"

    def metadata(self) -> dict[str, str]:
        """Return the metadata for a file; lists and booleans are JSON."""
        return {
            "format": FORMAT,
            "visnet_version": __version__,
            "backbone": self.backbone,
            "height": str(self.height),
            "width": str(self.width),
            "dimensions": str(self.dimensions),
            "normalise": json.dumps(self.normalise),
            "mean": json.dumps(IMAGENET_MEAN),
            "std": json.dumps(IMAGENET_STD),
            "resize": "bilinear, antialiased",
            "input": self.input,
            "output": self.output,
            "checkpoint_sha256": self.checkpoint_sha256,
            "license": LICENCE,
            "license_note": LICENCE_NOTE,
        }

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> Self:
        """Read the metadata of a file, as `metadata` returned it.

        Raises:
            ValueError: It is not of this format; the message has the reason.
        """
        if metadata.get("format") != FORMAT:
            raise ValueError(f"its metadata has no format {FORMAT}")
        try:
            return cls(
                backbone=_backbone(metadata["backbone"]),
                height=int(metadata["height"]),
                width=int(metadata["width"]),
                dimensions=int(metadata["dimensions"]),
                normalise=metadata["normalise"] == "true",
                checkpoint_sha256=metadata["checkpoint_sha256"],
            )
        except KeyError as error:
            raise ValueError(f"its metadata lacks {error.args[0]}") from error


def _backbone(name: str) -> BackboneName:
    for known in BACKBONES:
        if name == known:
            return known
    raise ValueError(f"unknown backbone {name!r}")
