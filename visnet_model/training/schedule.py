"""The learning rate as a function of the step, without any state to save."""

from __future__ import annotations

import math

from visnet_model.config import OptimisationSettings

WARMUP_START = 0.01
"""Fraction of the learning rate at the start of a warm-up."""


def total_steps(settings: OptimisationSettings, steps_per_epoch: int) -> int:
    """Return the number of batches in a training."""
    return settings.steps or settings.epochs * steps_per_epoch


def learning_rate(settings: OptimisationSettings, step: int, steps_per_epoch: int) -> float:
    """Return the learning rate of a step, counted from 0.

    Args:
        settings: The schedule; milestones and warm-up are in epochs.
        step: The step, from 0 over all epochs.
        steps_per_epoch: Number of batches in an epoch.
    """
    return (
        settings.learning_rate
        * _warmup(settings, step, steps_per_epoch)
        * _decay(settings, step, steps_per_epoch)
    )


def _warmup(settings: OptimisationSettings, step: int, steps_per_epoch: int) -> float:
    length = settings.warmup * steps_per_epoch
    if step >= length:
        return 1.0
    return WARMUP_START + (1 - WARMUP_START) * step / length


def _decay(settings: OptimisationSettings, step: int, steps_per_epoch: int) -> float:
    if settings.schedule == "cosine":
        past = step / total_steps(settings, steps_per_epoch)
        return (1 + math.cos(math.pi * past)) / 2
    epoch = step // steps_per_epoch
    return settings.decay ** sum(epoch >= milestone for milestone in settings.milestones)
