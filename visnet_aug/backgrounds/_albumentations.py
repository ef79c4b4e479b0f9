"""All contact with Albumentations: its import, and the methods that it calls on a transform."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from visnet_aug.arrays import Image, Mask, check_image
from visnet_aug.backgrounds.loading import load_albumentations
from visnet_aug.backgrounds.variant import Record, Shape

A: Any = load_albumentations()


class RecordTransform(A.ImageOnlyTransform):  # type: ignore[misc]
    """An Albumentations transform that draws a record and rewrites images by it.

    Each call draws one record and applies it to all images of the call. A replay takes the record
    that was stored, and the images and masks of its own call.

    Pixels that are set (not 0) in a mask stay as they are: in ``image``, those of ``mask`` and of
    all ``masks``; in the n-th of ``images``, those of ``mask`` and of the n-th of ``masks``.
    Additional targets of these kinds count like them. Masks come back as they were.
    """

    _worker_seed: int | None = None

    def draw_for(self, shape: Shape, rng: np.random.Generator) -> Record:
        """Draw a record for an image of a height and width in pixels."""
        raise NotImplementedError

    def rewrite(self, image: Image, record: Mapping[str, Any], mask: Mask | None = None) -> Image:
        """Rewrite an image by a record; ``None`` if the call has no mask."""
        raise NotImplementedError

    def apply_with_params(self, params: dict[str, Any], *args: Any, **data: Any) -> dict[str, Any]:
        """Rewrite all images of a call. Albumentations calls this, in a replay too.

        Raises:
            TypeError: An image is no NumPy array.
            ValueError: An image or a mask cannot be used, or volumes are passed.
        """
        record = params["record"]
        kinds = {
            key: self._additional_targets.get(key, key) for key in data if data[key] is not None
        }
        masks = [_set_pixels(data[key], key) for key, kind in kinds.items() if kind == "mask"]
        stacks = [
            [_set_pixels(mask, key) for mask in data[key]]
            for key, kind in kinds.items()
            if kind == "masks"
        ]
        unmasked = not masks and not stacks
        changed = dict(data)
        for key, kind in kinds.items():
            if kind == "image":
                marked = None if unmasked else [*masks, *itertools.chain(*stacks)]
                changed[key] = self._rewrite(data[key], key, record, marked)
            elif kind == "images":
                each = [[*masks, *own] for own in _by_image(stacks, len(data[key]), key)]
                done = [
                    self._rewrite(image, f"{key}[{n}]", record, None if unmasked else each[n])
                    for n, image in enumerate(data[key])
                ]
                changed[key] = np.stack(done) if isinstance(data[key], np.ndarray) else done
            elif kind in ("volume", "volumes"):
                raise ValueError(f"{type(self).__name__} rewrites no volumes: pass {key} as images")
        return changed

    def _rewrite(
        self, image: Any, key: str, record: Mapping[str, Any], masks: Sequence[Mask] | None
    ) -> Image:
        image = check_image(image, f"{type(self).__name__}: {key}")
        if masks is None:
            return self.rewrite(image, record)
        person = np.zeros(image.shape[:2], np.bool_)
        for mask in masks:
            if mask.shape != person.shape:
                raise ValueError(
                    f"{type(self).__name__}: a mask is {mask.shape[0]}×{mask.shape[1]}, "
                    f"but {key} is {image.shape[0]}×{image.shape[1]}"
                )
            person |= mask
        return self.rewrite(image, record, person)

    @classmethod
    def get_class_fullname(cls) -> str:
        """Return the name that saved pipelines have: the public one, wherever the class lives."""
        return f"visnet_aug.{cls.__name__}"

    def get_params_dependent_on_data(
        self, params: dict[str, Any], data: dict[str, Any]
    ) -> dict[str, Any]:
        """Draw a record for a call. Albumentations calls this."""
        height, width = params["shape"][:2]
        return {"record": self.draw_for((height, width), self.random_generator)}

    def __call__(self, *args: Any, force_apply: bool = False, **kwargs: Any) -> Any:
        """Apply the transform; a worker of a torch ``DataLoader`` has its own draws."""
        self._enter_worker()
        return super().__call__(*args, force_apply=force_apply, **kwargs)

    def _enter_worker(self) -> None:
        """Mix a worker's seed into the generators, once.

        All workers of a ``DataLoader`` start with the same copy of a transform. Albumentations
        leaves it at that, so that they would all draw the same.
        """
        loading = sys.modules.get("torch.utils.data")
        worker = None if loading is None else loading.get_worker_info()
        if worker is None or worker.seed == self._worker_seed:
            return
        self._worker_seed = worker.seed
        rng = np.random.default_rng((int(self.random_generator.integers(2**63)), worker.seed))
        self.set_random_state(rng, type(self.py_random)(int(rng.integers(2**63))))


def _set_pixels(mask: Any, key: str) -> Mask:
    """Return where a mask of a call is set, in any of its channels."""
    if not isinstance(mask, np.ndarray) or mask.ndim not in (2, 3):
        kind = f"{mask.ndim}-dimensional" if isinstance(mask, np.ndarray) else type(mask).__name__
        raise ValueError(f"{key} must be NumPy arrays, H×W or H×W×C, not {kind}")
    pixels: Mask = mask != 0 if mask.ndim == 2 else (mask != 0).any(axis=2)
    return pixels


def _by_image(stacks: list[list[Mask]], count: int, key: str) -> list[tuple[Mask, ...]]:
    """Return the masks of each of a number of images, from stacks with a mask for each."""
    for stack in stacks:
        if len(stack) != count:
            raise ValueError(f"{len(stack)} masks for {count} {key}: pass one for each")
    return list(zip(*stacks, strict=True)) if stacks else [()] * count
