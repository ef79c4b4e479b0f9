"""What an exported file says of itself: a flat table of texts, the same in every format."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from visnet_aug import __version__
from visnet_model.data.augment import IMAGENET_MEAN, IMAGENET_STD
from visnet_model.network.backbone import BACKBONES, BackboneName

FORMAT = "visnet-inference-1"
"""Another number is another layout."""

LICENCE = "AGPL-3.0-only"
LICENCE_NOTE = (
    "The network's code is licensed AGPL-3.0-only; for its weights, mind the terms of the images "
    "it was trained on, too."
)


@dataclass(frozen=True, slots=True)
class Description:
    """An inference network without its weights.

    Training identities are not in it.

    Attributes:
        backbone: Which ResNet.
        height: Pixels of the input.
        width: Pixels of the input.
        dimensions: Of an embedding.
        normalise: Whether the network normalises its input itself.
        checkpoint_sha256: Checksum of the checkpoint that it came from.
    """

    backbone: BackboneName
    height: int
    width: int
    dimensions: int
    normalise: bool
    checkpoint_sha256: str

    @property
    def input(self) -> str:
        """What to feed, for a person."""
        shape = f"RGB N×3×{self.height}×{self.width}"
        if self.normalise:
            return f"uint8 {shape}, 0 to 255"
        return f"float32 {shape}, 0 to 1, then minus mean, divided by std"

    @property
    def output(self) -> str:
        """What comes out, for a person."""
        return f"float32 N×{self.dimensions} of unit L2 norm, to compare by Euclidean distance"

    def metadata(self) -> dict[str, str]:
        """Return what to write into a file; lists and truth values as JSON."""
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
        """Read what `metadata` wrote.

        Raises:
            ValueError: It is not of this format; says what is wrong.
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
