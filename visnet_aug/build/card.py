"""The dataset card: what a stranger who finds the folder needs to know."""

from __future__ import annotations

from visnet_aug import __version__
from visnet_aug.build.rows import BuildSummary

_CARD = """\
# Person re-identification set with rewritten backgrounds

Built by visnet-aug {version}. In every augmented training image the person's pixels are the
source's; only the background is another one (VisNet paper, section II-G, equation 21).

| split | images | originals | augmented | identities | cameras |
|---|---:|---:|---:|---:|---:|
{splits}

{arithmetic}

| family | augmented images |
|---|---:|
{families}

## Files

- `manifest.csv`: one row per image: where it comes from, what was done to it, its checksum.
  `sequence` and `frame` are the source's; `params` is enough to render a copy again.
- Image folders in the source's own layout and names; copies are named
  `<source>_<copy>_<family>`.
- `masks/` with `masks.csv`: the person of each training image, white, and why some have none.
- `rejected.csv`: unusable files of the source, and training images without a usable mask.
- `recipe.yaml`: all settings. `build.json`: versions, counts and checksums.

## Licence

The images, augmented ones included, remain under the terms of the source dataset: they show
people, and what its licence says about use, publication and privacy holds for this set, too. The
program that built it is AGPL-3.0, which says nothing about its output.

## Make it again

    visnet-aug build --src <the source dataset> --out <folder> --recipe recipe.yaml

With the versions in `build.json` the bytes are the same. To cite the method: *VisNet: Efficient
Person Re-Identification via α-Divergence Loss, Feature Fusion and Dynamic Multi-Task Learning*.
"""


def dataset_card(summary: BuildSummary, arithmetic: str) -> str:
    """Write the card of a build as Markdown."""
    splits = "\n".join(
        f"| {split} | {of.images:,} | {of.originals:,} | {of.copies:,} | {of.identities:,} "
        f"| {of.cameras} |"
        for split, of in summary.splits.items()
    )
    families = "\n".join(f"| {name} | {count:,} |" for name, count in summary.families.items())
    return _CARD.format(
        version=__version__, splits=splits, arithmetic=arithmetic, families=families
    )
