"""The card of what was built: what a stranger who finds the folder needs to know.

A README in Hugging Face's format of dataset cards: Markdown behind a header in YAML, whose
``configs`` let ``datasets.load_dataset`` find the images and the tables beside them.
"""

from __future__ import annotations

import textwrap
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

import yaml

from visnet_aug import __version__
from visnet_aug.builder.passthrough import Passthrough
from visnet_aug.manifest import ManifestSplit
from visnet_aug.masks.settings import PERSON
from visnet_aug.shards import SUFFIX

if TYPE_CHECKING:
    from visnet_aug.builder.product import Conclusion

CITATION: Final = (
    "VisNet: Efficient Person Re-Identification via α-Divergence Loss, Feature Fusion and Dynamic "
    "Multi-Task Learning"
)
TERMS: Final = "The terms of the source dataset hold for every image, augmented ones included."

_SIZES: Final = ("1K", "10K", "100K", "1M", "10M", "100M", "1B", "10B", "100B", "1T")
"""Where Hugging Face's classes of size end: powers of ten, from the third."""

_ENCODINGS: Final = {
    "match": "Copies are encoded like their sources, quantisation tables and chroma sampling "
    "included: compression does not tell them from images that are as they were.",
    "png": "Copies are PNGs, whatever their sources are.",
}

_UNTOUCHED: Final[Mapping[Passthrough, str]] = {
    "copy": "were copied byte for byte",
    "hardlink": "are hard links to the source's own files",
    "symlink": "are symbolic links to the source's own files",
}

_WIDTH: Final = 100
"""Of lines, for those who read the card in a terminal."""

_SET: Final = """\
# {title}

{about}

Built by visnet-aug {version}. `manifest.csv` says of each image where it comes from and what was
done to it.

{counts}

## How it was made

{making}{untouched}

## Loading

{loading}

## Files

- `manifest.csv`: one row per image: where it comes from, what was done to it, its checksum.
  `sequence` and `frame` are the source's; `params` is enough to render a copy again.
{places}
{files}

## Limits

- Masks are a network's: some lose a hand or a bag to the background, or keep a bit of it.
- New backgrounds are drawn, not photographed: they break what a network could learn from places,
  and do not look like other places.
- Identities, cameras, clothes and light are the source's, with all of its biases.

{licence}

## Make it again

{again}

To cite the method:

*{citation}*
"""

_PROBE: Final = """\
# {title}

**Test images. Do not train on them**, nor choose settings by them: whoever does has seen the test
set. `visnet-train` refuses this folder.

{about}

What a network loses from the untouched images to a version of them, it had read off backgrounds
(Tian et al., *Eliminating Background-Bias for Robust Person Re-Identification*, CVPR 2018). Made by
visnet-aug {version}.

    visnet-eval --probe manifest.csv ...

{counts}

Junk (`-1`), which evaluation ignores, is left out. Images without a usable mask are in no version;
they are to stand untouched in every one.

## How it was made

{making}

## Files

- `manifest.csv`: one row per image. Splits `query` and `gallery` are the untouched images,
  `probe-query` and `probe-gallery` the rewritten ones; `family` says the version, `source` the
  image that it was made from.
{places}
{files}

{licence}

## Make it again

{again}
"""

_LOADING_FOLDERS: Final = """\
Market-1501's layout and names, so that re-identification code bases read the folder as it is:
tested with torchreid's own reader, and with the name patterns that fast-reid and NVIDIA TAO
publish. With Hugging Face's `datasets` (`pid`, `camid`, `family` and others are columns):

```python
from datasets import load_dataset

people = load_dataset("path/to/this/folder")
copies = people["train"].filter(lambda row: row["family"] == "blur")
```

With `mlcroissant`, `Dataset("croissant.json").records("manifest")`, or the name of an image folder
for its pixels, too. With visnet: `visnet-train --manifest manifest.csv --out run`."""

_LOADING_SHARDS: Final = """\
Tar shards in WebDataset's form. With `webdataset`:

```python
from webdataset import WebDataset

people = WebDataset("shards/train-{{000000..{last}}}.tar", shardshuffle=100).decode("pil")
for image, record, mask in people.to_tuple("jpg;png", "json", "mask.png"):
    ...  # record["pid"], record["camid"], record["family"]
```

{datasets} With visnet: `visnet-train --manifest manifest.csv --out run`."""

_DATASETS: Final = """\
With Hugging Face's `datasets`, `load_dataset("path/to/this/folder")`."""

_NO_DATASETS: Final = """\
Hugging Face's `datasets` wants the same files in every sample and would leave out images here: some
are JPEGs, some PNGs."""

_FOLDERS: Final = """\
- Image folders in Market-1501's layout and names; copies are named `<source>_<copy>_<family>`.
  The `metadata.csv` in each is for `datasets`."""

_PROBE_FOLDERS: Final = """\
- Image folders in Market-1501's layout and names; a version's are below its family's name. The
  `metadata.csv` in each is for Hugging Face's `datasets`."""

_SHARDS: Final = """\
- `shards/`: tars of one split each, shuffled; copies are named `<source>_<copy>_<family>`. Beside
  each image are its record (`.json`) and its mask (`.mask.png`, black where no usable one is
  known), beside each tar its part of the manifest, with paths from there."""

_FILES: Final = """\
- `masks/` with `masks.csv`: the person in each image, white, and why some have none.
- `rejected.csv`: unusable files of the source, and images without a usable mask.
- `croissant.json`: all of this for machines (MLCommons Croissant).
- `recipe.yaml`: all settings. `build.json`: versions, counts and checksums."""

_COUNTS: Final = """\
| split | images | originals | augmented | identities | cameras |
|---|---:|---:|---:|---:|---:|
{splits}

{arithmetic}

| family | augmented images |
|---|---:|
{families}"""

_LICENCE: Final = """\
## Licence, and the people in it

{terms}
What its licence says about use, publication and privacy holds for this set, too. The program that
built it is AGPL-3.0, which says nothing about its output.

Other backgrounds make nobody unrecognisable: people are shown exactly as they were, and where they
are real, few of them were asked. Use the set for research into re-identification and its biases,
not to find or to follow anyone."""


def dataset_card(build: Conclusion) -> str:
    """Write the card of an augmented set as Markdown."""
    if not build.shards:
        tags, loading = ("market-1501-layout",), _LOADING_FOLDERS
    else:
        training = [shard for shard, split in build.summary.folders.items() if split == "train"]
        kinds = {row.path.lower().endswith(".png") for row in build.rows}
        tags = ("webdataset",)
        loading = _LOADING_SHARDS.format(
            last=f"{len(training) - 1:06d}", datasets=_NO_DATASETS if len(kinds) > 1 else _DATASETS
        )
    places = _SHARDS if build.shards else _FOLDERS
    untouched = _describe_untouched(build)
    return _fill(_SET, build, tags, loading=loading, places=places, untouched=untouched)


def probe_card(build: Conclusion) -> str:
    """Write the card of a probe as Markdown."""
    places = _SHARDS if build.shards else _PROBE_FOLDERS
    return _fill(_PROBE, build, ("evaluation", "background-bias"), places=places)


def _fill(template: str, build: Conclusion, tags: tuple[str, ...], **more: str) -> str:
    summary = build.summary
    splits = "\n".join(
        f"| {split} | {of.images:,} | {of.originals:,} | {of.copies:,} | {of.identities:,} "
        f"| {of.cameras} |"
        for split, of in summary.splits.items()
    )
    families = "\n".join(f"| {name} | {count:,} |" for name, count in summary.families.items())
    body = template.format(
        title=build.product.title,
        about=textwrap.fill(build.product.about, _WIDTH),
        version=__version__,
        counts=_COUNTS.format(splits=splits, arithmetic=build.plan.arithmetic, families=families),
        making=_describe_making(build),
        again=_describe_command(build),
        files=_FILES,
        licence=_LICENCE.format(terms=TERMS),
        citation=CITATION,
        **more,
    )
    return f"---\n{_header(build, tags)}---\n\n{body}"


def _header(build: Conclusion, tags: tuple[str, ...]) -> str:
    """Write the part that machines read."""
    searched = build.recipe.masks.classes
    what = "person" if searched == PERSON else "object"
    header: dict[str, Any] = {
        "pretty_name": build.product.title,
        "license": "other",
        "license_name": "terms-of-the-source-dataset",
        "task_categories": ["image-feature-extraction"],
        "tags": [f"{what}-re-identification", "background-augmentation", *tags],
        "size_categories": [size_class(build.summary.total)],
        "configs": [{"config_name": "default", "data_files": list(_data_files(build))}],
    }
    return yaml.safe_dump(header, sort_keys=False, allow_unicode=True)


def size_class(images: int) -> str:
    """Return Hugging Face's class of size of a number of images."""
    below = ""
    for power, name in enumerate(_SIZES, 3):
        if images < 10**power:
            return f"{below}n<{name}"
        below = f"{name}<"
    return f"n>{_SIZES[-1]}"


def _data_files(build: Conclusion) -> Iterator[dict[str, Any]]:
    """Say where the images of each split are; Hugging Face's names of splits have no dash."""
    places: dict[ManifestSplit, list[str]] = defaultdict(list)
    for folder, split in build.summary.folders.items():
        if not build.shards:
            places[split].append(f"{folder}/*")
        elif split not in places:
            places[split].append(f"{folder.rpartition('-')[0]}-*{SUFFIX}")
    for split, paths in places.items():
        yield {"split": split.replace("-", "_"), "path": paths[0] if len(paths) == 1 else paths}


def _describe_making(build: Conclusion) -> str:
    """Say how people were found, why not in some images, and what was drawn for the others."""
    recipe, masks = build.recipe, build.masks
    weights = PurePath(recipe.weights).name  # and not where they lie here
    found = (
        f"A YOLOv8-Seg network (`weights: {weights}`) found the "
        f"{' or '.join(recipe.masks.classes)} in each image whose background was to be rewritten: "
        f"{len(masks.accepted):,} of {len(masks.entries):,} masks are usable"
    )
    if masks.edited:
        found += f", {masks.edited:,} of them mended by hand"
    if masks.rejected:
        found += f"; the others are not ({_list(masks.rejected)})"
    drawn = (
        "For each augmented image a family was chosen, a variant of it, an intensity, and the "
        f"numbers that are in `params`; everything follows from the seed {recipe.seed}. "
    )
    quality = recipe.encoding.removeprefix("jpeg:")
    drawn += _ENCODINGS.get(recipe.encoding, f"Copies are JPEGs of quality {quality}, 4:2:0.")
    return "\n\n".join(textwrap.fill(text, _WIDTH) for text in (f"{found}.", drawn))


def _describe_untouched(build: Conclusion) -> str:
    """Say how the test images got here, in a paragraph of its own if there are any."""
    tested = [split for split in ("query", "gallery") if split in build.summary.splits]
    if not tested:
        return ""
    how = _UNTOUCHED[build.identity["passthrough"]]
    return f"\n\nThe {' and '.join(tested)} images {how}, and no identity of theirs is in training."


def _describe_command(build: Conclusion) -> str:
    """Say which command makes the same bytes again, and with what."""
    identity, recipe = build.identity, build.recipe
    options = "".join(
        f" --{name} {identity[name]}"
        for name in ("sample", "shards", "passthrough")
        if identity.get(name) not in (None, "copy")
    )
    needed = ["the versions in `build.json`"]
    if recipe.table is not None:
        needed.append(f"the table `{recipe.table}` in the source's folder")
    if recipe.weights != "builtin":
        needed.append(f"the weights `{PurePath(recipe.weights).name}`")
    if build.masks.edited:
        needed.append("`masks/` and `masks.csv`, mended by hand, copied into the folder before")
    with_these = textwrap.fill(f"The bytes are the same with {'; '.join(needed)}.", _WIDTH)
    return (
        f"    visnet-aug {identity['command']} --src <the source dataset> --out <folder> "
        f"--recipe recipe.yaml{options}\n\n{with_these}"
    )


def _list(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in counts.items())
