"""VeRi-776's layout, also of other vehicle sets: three folders, a frame and a number in names.

``<vehicle>_c<camera>_<frame>_<number>.jpg`` in ``image_train/``, ``image_query/`` and
``image_test/`` (gallery), such as ``0001_c001_00016450_0.jpg``. The lists next to the folders
(``name_*.txt``, ``test_track.txt``, ``gt_index.txt``, ``jk_index.txt``) say again what names say,
or which images of a vehicle and camera an evaluation ignores, which it can tell from names: they
are not read. Source: Liu et al., *Large-Scale Vehicle Re-Identification in Urban Surveillance
Videos*, ICME 2016.

To find vehicles takes weights that know them, and ``masks: classes: [car, bus, truck]``.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import Final

from visnet_aug.datasets.layout import SUFFIXES, NamedLayout
from visnet_aug.datasets.record import Split

VERI776: Final = NamedLayout(
    name="veri776",
    title="VeRi-776",
    folders=MappingProxyType[Split, str](
        {"train": "image_train", "query": "image_query", "gallery": "image_test"}
    ),
    pattern=re.compile(
        r"(?P<stem>(?P<pid>-1|[0-9]{4,9})_c(?P<camid>0*[1-9][0-9]{0,3})_(?P<frame>[0-9]{1,12})"
        rf"_(?P<box>[0-9]{{1,6}})){SUFFIXES}"
    ),
    form="<vehicle>_c<camera>_<frame>_<number>.jpg",
    example="0001_c001_00016450_0.jpg",
)
"""The layout."""
