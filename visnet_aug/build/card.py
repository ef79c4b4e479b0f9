"""The card of what was built: what a stranger who finds the folder needs to know."""

from __future__ import annotations

from visnet_aug import __version__
from visnet_aug.build.rows import BuildSummary

_SET = """\
# Person re-identification set with rewritten backgrounds

Built by visnet-aug {version}. In every augmented training image the person's pixels are the
source's; only the background is another one (VisNet paper, section II-G, equation 21).

{counts}

## Files

- `manifest.csv`: one row per image: where it comes from, what was done to it, its checksum.
  `sequence` and `frame` are the source's; `params` is enough to render a copy again.
- Image folders in the source's own layout and names; copies are named
  `<source>_<copy>_<family>`.
- `masks/` with `masks.csv`: the person of each training image, white, and why some have none.
- `rejected.csv`: unusable files of the source, and training images without a usable mask.
- `recipe.yaml`: all settings. `build.json`: versions, counts and checksums.

{licence}

## Make it again

    visnet-aug build --src <the source dataset> --out <folder> --recipe recipe.yaml

With the versions in `build.json` the bytes are the same. To cite the method: *VisNet: Efficient
Person Re-Identification via α-Divergence Loss, Feature Fusion and Dynamic Multi-Task Learning*.
"""

_PROBE = """\
# Background-sensitivity probe for person re-identification

**Test images. Do not train on them**, nor choose settings by them: whoever does has seen the test
set. `visnet-train` refuses this folder.

Made by visnet-aug {version}. Query and gallery are there as they are and, for each family below,
once more with the background rewritten and the person's pixels left as they are. What a network
loses from the untouched images to a version of them, it had read off backgrounds (Tian et al.,
*Eliminating Background-Bias for Robust Person Re-Identification*, CVPR 2018).

    visnet-eval --probe manifest.csv ...

{counts}

Junk (`-1`), which evaluation ignores, is left out. Images without a usable mask are in no version;
they are to stand untouched in every one.

## Files

- `manifest.csv`: one row per image. Splits `query` and `gallery` are the untouched images,
  `probe-query` and `probe-gallery` the rewritten ones; `family` says the version, `source` the
  image that it was made from.
- Image folders in the source's own layout and names; a version's are below its family's name.
- `masks/` with `masks.csv`: the person of each image, white, and why some have none.
- `rejected.csv`: unusable files of the source, and images without a usable mask.
- `recipe.yaml`: all settings. `build.json`: versions, counts and checksums.

{licence}

## Make it again

    visnet-aug probe --src <the source dataset> --out <folder> --recipe recipe.yaml{sample}

With the versions in `build.json` the bytes are the same.
"""

_COUNTS = """\
| split | images | originals | augmented | identities | cameras |
|---|---:|---:|---:|---:|---:|
{splits}

{arithmetic}

| family | augmented images |
|---|---:|
{families}"""

_LICENCE = """\
## Licence

The images, augmented ones included, remain under the terms of the source dataset: they show
people, and what its licence says about use, publication and privacy holds for this set, too. The
program that built it is AGPL-3.0, which says nothing about its output."""


def dataset_card(summary: BuildSummary, arithmetic: str) -> str:
    """Write the card of an augmented set as Markdown."""
    return _fill(_SET, summary, arithmetic)


def probe_card(summary: BuildSummary, arithmetic: str, sample: int | None) -> str:
    """Write the card of a probe as Markdown; ``sample`` is how many identities were drawn."""
    return _fill(_PROBE, summary, arithmetic, sample=f" --sample {sample}" if sample else "")


def _fill(template: str, summary: BuildSummary, arithmetic: str, **more: str) -> str:
    splits = "\n".join(
        f"| {split} | {of.images:,} | {of.originals:,} | {of.copies:,} | {of.identities:,} "
        f"| {of.cameras} |"
        for split, of in summary.splits.items()
    )
    families = "\n".join(f"| {name} | {count:,} |" for name, count in summary.families.items())
    counts = _COUNTS.format(splits=splits, arithmetic=arithmetic, families=families)
    return template.format(version=__version__, counts=counts, licence=_LICENCE, **more)
