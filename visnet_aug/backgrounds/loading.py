"""Imports Albumentations without its update check and, if asked, without torch.

On import, Albumentations asks PyPI for its newest version; here it does not. It also imports torch
if torch is installed, only to define ``ToTensorV2``. Rendering backgrounds does not need torch.
Measured on two cores with warm files, Albumentations 2.0.8 and torch 2.14, for one process:

==================================== ====== ======== ==============
import                               time   resident private memory
==================================== ====== ======== ==============
``load_albumentations()``            1.4 s  630 MB   317 MB
``load_albumentations(torch=False)`` 0.45 s 97 MB    50 MB
==================================== ====== ======== ==============
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from importlib import import_module
from types import ModuleType

from visnet_aug.imports import temporary_entry, without_torch


def load_albumentations(torch: bool = True) -> ModuleType:
    """Import Albumentations without its update check.

    A rendering process calls this with ``torch=False`` before it imports a background family. Later
    imports of torch work as usual. The shortcut ``albumentations.ToTensorV2`` is missing then, but
    ``albumentations.pytorch.ToTensorV2`` is not.

    Args:
        torch: Whether Albumentations may import torch. No effect if Albumentations or torch is
            already imported.

    Returns:
        The module ``albumentations``.
    """
    with ExitStack() as stack:
        stack.enter_context(temporary_entry(os.environ, "NO_ALBUMENTATIONS_UPDATE", "1"))
        if not torch:
            stack.enter_context(without_torch())
        return import_module("albumentations")
