from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from visnet_aug.builder.plan import Task, make_plan
from visnet_aug.builder.render import Renderer
from visnet_aug.datasets import read_dataset
from visnet_aug.datasets.images import decode_rgb
from visnet_aug.errors import DatasetError
from visnet_aug.recipe import Recipe


@pytest.fixture(scope="module")
def tasks(market: Path) -> tuple[Task, ...]:
    data = read_dataset(market)
    recipe = Recipe(images=len(data.records) + 36, encoding="png")
    return make_plan(data, {r.stem for r in data.split("train")}, recipe).tasks


@pytest.fixture(scope="module")
def mask() -> np.ndarray:
    mask = np.zeros((64, 32), bool)
    mask[8:60, 10:22] = True
    return mask


def test_under_the_mask_every_pixel_is_the_sources(
    tasks: tuple[Task, ...], mask: np.ndarray
) -> None:
    renderer = Renderer(Recipe(encoding="png"))
    changed = 0
    for task in tasks:
        source = task.source.path.read_bytes()
        pixels, rendered = decode_rgb(source), renderer.render(task, source, mask)
        ours = decode_rgb(rendered.data)
        assert (ours[mask] == pixels[mask]).all(), task
        changed += bool((ours[~mask] != pixels[~mask]).any())
    assert changed == len(tasks)


def test_a_rendering_depends_on_its_task_alone(tasks: tuple[Task, ...], mask: np.ndarray) -> None:
    def render(renderer: Renderer, task: Task) -> tuple[str, object]:
        rendered = renderer.render(task, task.source.path.read_bytes(), mask)
        return rendered.sha256, rendered.params

    one = Renderer(Recipe())
    forwards = [render(one, task) for task in tasks]
    backwards = [render(Renderer(Recipe()), task) for task in reversed(tasks)]
    assert forwards == backwards[::-1]
    other_seed = [render(one, replace(task, seed=task.seed ^ 1)) for task in tasks]
    assert sum(a != b for a, b in zip(forwards, other_seed, strict=True)) > len(tasks) / 2


def test_what_is_reported_is_true(
    tasks: tuple[Task, ...], mask: np.ndarray, jpeg: Callable[..., bytes]
) -> None:
    rendered = Renderer(Recipe()).render(tasks[0], jpeg(1, (32, 64)), mask)
    assert hashlib.sha256(rendered.data).hexdigest() == rendered.sha256
    assert decode_rgb(rendered.data).shape == (rendered.height, rendered.width, 3) == (64, 32, 3)
    assert json.loads(json.dumps(rendered.params)) == rendered.params
    assert rendered.params["variant"] == tasks[0].variant


def test_a_source_that_is_no_image_is_a_named_error(
    tasks: tuple[Task, ...], mask: np.ndarray
) -> None:
    with pytest.raises(DatasetError):
        Renderer(Recipe()).render(tasks[0], b"not an image", mask)
