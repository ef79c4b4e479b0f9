from __future__ import annotations

import pytest

from visnet_model.config import OptimisationSettings
from visnet_model.training.schedule import learning_rate, total_steps


@pytest.mark.parametrize(
    ("changes", "step", "expected"),
    [
        ({}, 0, 3.5e-4),
        ({}, 399, 3.5e-4),
        ({}, 400, 3.5e-5),
        ({}, 799, 3.5e-5),
        ({}, 800, 3.5e-6),
        ({"milestones": ()}, 999, 3.5e-4),
        ({"warmup": 2}, 0, 3.5e-6),
        ({"warmup": 2}, 10, 3.5e-4 * 0.505),
        ({"warmup": 2}, 20, 3.5e-4),
        ({"warmup": 0.5}, 4, 3.5e-4 * (0.01 + 0.99 * 0.8)),
        ({"schedule": "cosine"}, 0, 3.5e-4),
        ({"schedule": "cosine"}, 500, 1.75e-4),
        ({"schedule": "cosine", "steps": 200}, 100, 1.75e-4),
    ],
)
def test_the_learning_rate_of_a_step(
    changes: dict[str, object], step: int, expected: float
) -> None:
    settings = OptimisationSettings.model_validate(changes)
    assert learning_rate(settings, step, steps_per_epoch=10) == pytest.approx(expected)


def test_cosine_ends_near_nothing() -> None:
    settings = OptimisationSettings(schedule="cosine", epochs=3)
    assert learning_rate(settings, 29, steps_per_epoch=10) < 0.01 * settings.learning_rate


@pytest.mark.parametrize(("steps", "expected"), [(None, 1000), (7, 7)])
def test_steps_go_before_epochs(steps: int | None, expected: int) -> None:
    assert total_steps(OptimisationSettings(steps=steps), steps_per_epoch=10) == expected
