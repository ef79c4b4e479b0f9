"""A set of plain colours, whose ranking is obvious, and a network that sees colours.

Colours of queries and gallery images; the protocol drops those marked `-`:

    query   pid 1 cam 1 red      gallery   pid 1 cam 2 red       pid 0 cam 2 blue
            pid 2 cam 1 green              pid 1 cam 1 red -     pid 3 cam 2 purple
            pid 3 cam 1 blue               pid 2 cam 2 green     junk  cam 3 blue -

Pids 1 and 2 are found at once, pid 3 behind the distractor.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from visnet_aug.manifest import ManifestRow, write_manifest

RED, GREEN, BLUE, PURPLE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (128, 0, 255)
LEAF = (0, 230, 40)

QUERY = {"1_c1": RED, "2_c1": GREEN, "3_c1": BLUE}
GALLERY = {"1_c2": RED, "1_c1": RED, "2_c2": GREEN, "0_c2": BLUE, "3_c2": PURPLE, "-1_c3": BLUE}
VERSIONS = {
    # blur leaves the colours; noise misleads one query, and helps if the gallery has it, too
    "blur": {"query": {"1_c1": RED, "3_c1": BLUE}, "gallery": {"1_c2": RED, "0_c2": BLUE}},
    "noise": {"query": {"1_c1": LEAF, "3_c1": BLUE}, "gallery": {"1_c2": LEAF, "0_c2": RED}},
}

Colour = tuple[int, int, int]
WriteColours = Callable[..., Path]


class SeesColours(nn.Module):
    """The mean colour as an embedding of three numbers."""

    def forward(self, images: Tensor) -> Tensor:
        return F.normalize(images.mean(dim=(2, 3)))


def paint(root: Path, path: str, colour: Colour) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (32, 64), colour).save(file)


def row(split: str, name: str, path: str, source: str, family: str | None = None) -> ManifestRow:
    pid, _, camera = name.partition("_c")
    copy = family is not None
    return ManifestRow(
        path=path,
        split=split,  # type: ignore[arg-type]
        pid=int(pid),
        camid=int(camera),
        sequence=1,
        frame=1,
        kind="augmented" if copy else "original",
        source=source,
        copy=1 if copy else None,
        family=family,
        variant="plain" if copy else None,
        intensity=0.5 if copy else None,
        seed=7 if copy else None,
        params={} if copy else None,
        mask="masks/mask.png" if copy else None,
        mask_area=0.4 if copy else None,
        mask_confidence=0.9 if copy else None,
        mask_quality=None,
        width=32,
        height=64,
        sha256="0" * 64,
    )


@pytest.fixture(scope="session")
def write_colours() -> WriteColours:
    """Write the set, or the probe of it; ``without`` leaves a split out."""

    def write(root: Path, *, probe: bool = False, without: str = "") -> Path:
        rows = []
        for split, images in (("query", QUERY), ("gallery", GALLERY)):
            for name, colour in images.items():
                path = f"{split}/{name}.png"
                paint(root, path, colour)
                rows.append(row(split, name, path, path))
            for family, version in VERSIONS.items() if probe else ():
                for name, colour in version[split].items():
                    path = f"{family}/{split}/{name}.png"
                    paint(root, path, colour)
                    rows.append(row(f"probe-{split}", name, path, f"{split}/{name}.png", family))
        write_manifest(root / "manifest.csv", [one for one in rows if one.split != without])
        return root / "manifest.csv"

    return write


@pytest.fixture(scope="session")
def colours(write_colours: WriteColours, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The set's manifest, to be read only."""
    return write_colours(tmp_path_factory.mktemp("colours"))


@pytest.fixture(scope="session")
def colours_probe(write_colours: WriteColours, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The probe's manifest, to be read only."""
    return write_colours(tmp_path_factory.mktemp("colours-probe"), probe=True)


@pytest.fixture
def sees_colours() -> nn.Module:
    return SeesColours()
