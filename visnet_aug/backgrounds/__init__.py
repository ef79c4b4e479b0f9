"""The six families of background rewriting (paper section II-G) and the composite (eq. 21).

``settings`` and ``variant_settings`` hold what a recipe can set; they import neither NumPy nor
Albumentations. ``base`` is what the families share; ``color``, ``texture``, ``noise``, ``blur``,
``pattern``, ``gradient`` and ``foreign`` are the families; ``registry`` makes them by name.
``composite`` puts the person back. ``rewrite`` and ``augment`` are for use without a build: a
function, and a transform for any Albumentations pipeline.
"""
