"""Background sensitivity: what accuracy is lost when people stand before other backgrounds.

Tian et al. (CVPR 2018) showed that re-identification networks look at backgrounds, too. A probe's
manifest (``visnet-aug probe``) holds query and gallery untouched, and a version of each image for
every family of background transforms. Each version is ranked twice:

- **queries alone** rewritten, against the untouched gallery: what is left if the background gives
  no hint, or a wrong one;
- **both sides** rewritten, each image with its own draw.

Images without a usable mask stay untouched in every version, so that each is a ranking of the
same queries in the same gallery as the standard evaluation beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np

from visnet_aug.manifest import PROBE_SPLITS
from visnet_model.data.images import ImageSource
from visnet_model.data.table import ImageTable
from visnet_model.errors import DataError
from visnet_model.evaluation.evaluate import Embedded, Embedder, Evaluation, rank_tables
from visnet_model.evaluation.ranking import Ranking

QUERY, GALLERY = PROBE_SPLITS


@dataclass(frozen=True, slots=True)
class Accuracy:
    """What is compared between versions.

    Attributes:
        mAP: Mean average precision.
        rank1: Rate of queries whose nearest image is a match.
    """

    mAP: float  # noqa: N815  the field's own spelling
    rank1: float

    def lost(self, untouched: Accuracy) -> Accuracy:
        """Return how much lower both are than on untouched images."""
        return Accuracy(untouched.mAP - self.mAP, untouched.rank1 - self.rank1)


@dataclass(frozen=True, slots=True)
class Version:
    """Accuracy with the backgrounds of one family.

    Attributes:
        family: Its name.
        queries: With the queries rewritten, the gallery untouched.
        both: With both rewritten.
    """

    family: str
    queries: Accuracy
    both: Accuracy


@dataclass(frozen=True, slots=True)
class Probe:
    """Background sensitivity of a network.

    Attributes:
        untouched: The standard evaluation.
        versions: One per family, by name.
        query: Number of queries.
        gallery: Number of gallery images without junk.
        kept_query: How many of the queries no version rewrites.
        kept_gallery: How many of the gallery images no version rewrites.
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
    """Refuse a manifest that is no complete probe.

    Raises:
        DataError: It has no versions, or a family lacks images that another has.
    """
    missing = [split for split in PROBE_SPLITS if split not in tables]
    if missing:
        where = next((str(table.root) for table in tables.values()), "this manifest")
        raise DataError(
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
                raise DataError(
                    f"{table.root}: family {name} does not have one version of each rewritten "
                    f"{original} image; make the probe again with visnet-aug probe"
                )


def evaluate_probe(
    embedder: Embedder,
    evaluation: Evaluation,
    tables: Mapping[str, ImageTable],
    images: Mapping[str, ImageSource],
) -> Probe:
    """Rank each version of a probe.

    Args:
        embedder: As for the evaluation.
        evaluation: Of the untouched images of the same manifest.
        tables: The manifest's images by split.
        images: The same images, by the same splits and in the same order.

    Raises:
        DataError: It is no complete probe.
        TrainingError: An embedding is not of unit norm.
        ModelError: The device's memory does not hold a batch.
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
    return Probe(
        untouched=_accuracy(evaluation.ranking),
        versions=tuple(versions),
        query=len(query.table),
        gallery=len(gallery.table),
        kept_query=_kept(query, new_query),
        kept_gallery=_kept(gallery, new_gallery),
    )


def _version(untouched: Embedded, rewritten: Embedded, family: str) -> Embedded:
    """Return the untouched images with those embeddings replaced that the family has a version of.

    Raises:
        DataError: A version is of an image that is not there.
    """
    rows = np.flatnonzero(rewritten.table.families == family)
    order = np.argsort(untouched.table.sources)
    sources = untouched.table.sources[order]
    wanted = rewritten.table.sources[rows]
    places = np.searchsorted(sources, wanted).clip(max=len(sources) - 1)
    strays = np.flatnonzero(sources[places] != wanted)
    if strays.size:
        name = rewritten.table.name(int(rows[strays[0]]))
        raise DataError(
            f"{rewritten.table.root}: {name} is a version of an image that the manifest does not "
            "hold; make the probe again with visnet-aug probe"
        )
    embeddings = untouched.embeddings.copy()
    embeddings[order[places]] = rewritten.embeddings[rows]
    return replace(untouched, embeddings=embeddings)


def _kept(untouched: Embedded, rewritten: Embedded) -> int:
    """Count the images without any version."""
    return int(np.count_nonzero(~np.isin(untouched.table.sources, rewritten.table.sources)))


def _accuracy(ranking: Ranking) -> Accuracy:
    return Accuracy(ranking.mAP, ranking.cmc[1])


def _mean(values: Sequence[Accuracy]) -> Accuracy:
    return Accuracy(fmean(v.mAP for v in values), fmean(v.rank1 for v in values))
