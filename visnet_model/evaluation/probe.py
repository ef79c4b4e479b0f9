"""Background sensitivity: the accuracy that a network loses with other backgrounds.

Tian et al. ("Eliminating background-bias for robust person re-identification", CVPR 2018) showed
that re-identification networks use the background, too. The manifest of a probe
(``visnet-aug probe``) has the untouched query and gallery, and a version of each image for every
family of background transforms. Each version is ranked twice:

- with only the **queries** rewritten and the gallery untouched: the background is no hint, or a
  wrong one;
- with **both** sides rewritten, each image with its own background.

Images without a usable mask are untouched in every version. So each version ranks the same gallery
for the same queries as the standard evaluation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np

from visnet_aug.errors import DatasetError
from visnet_aug.manifest import PROBE_SPLITS
from visnet_model.data.images import ImageSource
from visnet_model.data.table import ImageTable
from visnet_model.evaluation.accuracy import EmbeddedTable, Embedder, Evaluation, rank_tables
from visnet_model.evaluation.ranking import Ranking

QUERY, GALLERY = PROBE_SPLITS


@dataclass(frozen=True, slots=True)
class Accuracy:
    """The accuracy that versions are compared by.

    Attributes:
        mAP: Mean average precision.
        rank1: Fraction of queries whose nearest image is a match.
    """

    mAP: float  # noqa: N815  the field's own spelling
    rank1: float

    def lost(self, untouched: Accuracy) -> Accuracy:
        """Return how much lower both are than with untouched images."""
        return Accuracy(untouched.mAP - self.mAP, untouched.rank1 - self.rank1)


@dataclass(frozen=True, slots=True)
class Version:
    """Accuracy with the backgrounds of one family.

    Attributes:
        family: Name of the family.
        queries: With rewritten queries and the untouched gallery.
        both: With rewritten queries and gallery.
    """

    family: str
    queries: Accuracy
    both: Accuracy


@dataclass(frozen=True, slots=True)
class BackgroundSensitivity:
    """The accuracy of a network on each version of a probe.

    Attributes:
        untouched: The standard evaluation.
        versions: One version per family, sorted by name.
        query: Number of queries.
        gallery: Number of gallery images without junk.
        kept_query: Number of queries that are untouched in every version.
        kept_gallery: Number of gallery images that are untouched in every version.
    """

    untouched: Accuracy
    versions: tuple[Version, ...]
    query: int
    gallery: int
    kept_query: int
    kept_gallery: int

    @property
    def mean(self) -> Version:
        """The mean over families."""
        return Version(
            family="mean",
            queries=_mean([version.queries for version in self.versions]),
            both=_mean([version.both for version in self.versions]),
        )


def check_probe(tables: Mapping[str, ImageTable]) -> None:
    """Refuse a manifest that is not a complete probe.

    Raises:
        DatasetError: It has no versions, or a family lacks images that another family has.
    """
    missing = [split for split in PROBE_SPLITS if split not in tables]
    if missing:
        where = next((str(table.root) for table in tables.values()), "this manifest")
        raise DatasetError(
            f"{where}: no images of split {' and '.join(missing)}: not a probe; make one with "
            "visnet-aug probe"
        )
    names = sorted({*tables[QUERY].families, *tables[GALLERY].families})
    for split, original in ((QUERY, "query"), (GALLERY, "gallery")):
        table = tables[split]
        rewritten = set(table.sources.tolist())
        for name in names:
            sources = table.sources[table.families == name].tolist()
            if len(sources) != len(set(sources)) or set(sources) != rewritten:
                raise DatasetError(
                    f"{table.root}: family {name} does not have one version of each rewritten "
                    f"{original} image; make the probe again with visnet-aug probe"
                )


def evaluate_probe(
    embedder: Embedder,
    evaluation: Evaluation,
    tables: Mapping[str, ImageTable],
    images: Mapping[str, ImageSource],
) -> BackgroundSensitivity:
    """Evaluate each version of a probe.

    Args:
        embedder: The network, as for the evaluation.
        evaluation: The evaluation of the untouched images of the same manifest.
        tables: The images of the manifest by split.
        images: The same images, by the same splits and in the same order.

    Raises:
        DatasetError: The manifest is not a complete probe.
        TrainingError: An embedding does not have unit norm.
        DeviceMemoryError: The device does not have enough memory for a batch.
    """
    check_probe(tables)
    query, gallery = evaluation.query, evaluation.gallery
    new_query = embedder(tables[QUERY], images[QUERY], QUERY)
    new_gallery = embedder(tables[GALLERY], images[GALLERY], GALLERY)
    names = np.unique(tables[QUERY].families).tolist()
    versions = []
    with embedder.stage("rank probe") as advance:
        for done, name in enumerate(names, 1):
            changed = _version(query, new_query, name)
            versions.append(
                Version(
                    family=name,
                    queries=_accuracy(rank_tables(changed, gallery)),
                    both=_accuracy(rank_tables(changed, _version(gallery, new_gallery, name))),
                )
            )
            advance(done, len(names))
    return BackgroundSensitivity(
        untouched=_accuracy(evaluation.ranking),
        versions=tuple(versions),
        query=len(query.table),
        gallery=len(gallery.table),
        kept_query=_kept(query, new_query),
        kept_gallery=_kept(gallery, new_gallery),
    )


def _version(untouched: EmbeddedTable, rewritten: EmbeddedTable, family: str) -> EmbeddedTable:
    """Return the untouched images with the embeddings of a family's versions, where it has any.

    Raises:
        DatasetError: There is a version of an image that the manifest does not have.
    """
    rows = np.flatnonzero(rewritten.table.families == family)
    order = np.argsort(untouched.table.sources)
    sources = untouched.table.sources[order]
    wanted = rewritten.table.sources[rows]
    places = np.searchsorted(sources, wanted).clip(max=len(sources) - 1)
    strays = np.flatnonzero(sources[places] != wanted)
    if strays.size:
        name = rewritten.table.name(int(rows[strays[0]]))
        raise DatasetError(
            f"{rewritten.table.root}: {name} is a version of an image that the manifest does not "
            "have; make the probe again with visnet-aug probe"
        )
    embeddings = untouched.embeddings.copy()
    embeddings[order[places]] = rewritten.embeddings[rows]
    return replace(untouched, embeddings=embeddings)


def _kept(untouched: EmbeddedTable, rewritten: EmbeddedTable) -> int:
    """Count the images that have no version."""
    return int(np.count_nonzero(~np.isin(untouched.table.sources, rewritten.table.sources)))


def _accuracy(ranking: Ranking) -> Accuracy:
    return Accuracy(ranking.mAP, ranking.cmc[1])


def _mean(values: Sequence[Accuracy]) -> Accuracy:
    return Accuracy(fmean(v.mAP for v in values), fmean(v.rank1 for v in values))
