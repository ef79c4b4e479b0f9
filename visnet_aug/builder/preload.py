"""Imported once by the process that workers are forked from, so that none of them imports again.

Albumentations imports torch where it is installed (1.4 s and 630 MB instead of 0.45 s and 97 MB);
here, in processes that only render, it is kept from doing so.
"""

import gc

from visnet_aug.backgrounds.loading import load_albumentations

load_albumentations(torch=False)

import visnet_aug.builder.worker  # noqa: E402, F401  (only now: it imports Albumentations)

# What is imported stays: workers need not look for garbage in it, which also keeps it shared.
gc.freeze()
