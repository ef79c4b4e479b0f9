"""The six families of background rewriting (paper section II-G) and the composite (eq. 21).

``settings`` and ``variant_settings`` say what a recipe may ask for; they import neither NumPy nor
Albumentations. ``base`` is what the families share; ``color``, ``texture``, ``noise``, ``blur``,
``pattern``, ``gradient`` and ``foreign`` are the families; ``registry`` makes them by name;
``composite`` puts the person back.

    settings = BackgroundSettings()
    family = make_family("blur", settings)
    variant, intensity = draw_variant(settings.blur, rng)
    record = family.draw(variant, intensity, image.shape[:2], rng)
    rewritten = rewrite_background(image, mask, family, record, settings.feather)

In anyone's Albumentations pipeline, without a person to spare: ``A.Compose([Blur(p=1)])``.
"""
