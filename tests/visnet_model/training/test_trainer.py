from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch

from visnet_model.config import TrainConfig
from visnet_model.training.schedule import learning_rate
from visnet_model.training.trainer import Step, Trainer

Make = Callable[..., Trainer]
Config = Callable[..., TrainConfig]


def run(trainer: Trainer, until: int | None = None) -> list[Step]:
    """Train to the end, or to a step; return the steps taken."""
    steps: list[Step] = []
    while not trainer.finished and (until is None or trainer.step < until):
        trainer.run_epoch(steps.append, lambda: until is not None and trainer.step >= until)
    return steps


def flat(state: Any, path: str = "") -> dict[str, Any]:
    """Return all leaves of a nested state by their path."""
    if isinstance(state, dict):
        items = [(str(key), value) for key, value in state.items()]
    elif isinstance(state, (list, tuple)):
        items = [(str(index), value) for index, value in enumerate(state)]
    else:
        return {path: state}
    return {
        name: leaf for key, value in items for name, leaf in flat(value, f"{path}/{key}").items()
    }


def assert_same(one: Any, other: Any) -> None:
    """Compare two states to the bit."""
    left, right = flat(one), flat(other)
    assert left.keys() == right.keys()
    for name, value in left.items():
        same = torch.equal(value, right[name]) if torch.is_tensor(value) else value == right[name]
        assert same, name


@pytest.mark.parametrize("cut", [2, 3, 5])
def test_interrupted_and_resumed_equals_uninterrupted(
    make_trainer: Make, config: Config, cut: int
) -> None:
    """To the bit, in the middle of an epoch and at its end, with dropout and augmentation on."""
    settings = config(network={"backbone": "resnet18", "dropout": 0.5})
    whole = make_trainer(settings)
    steps = run(whole)

    before = make_trainer(settings)
    first = run(before, until=cut)
    state = copy.deepcopy(before.state())
    torch.manual_seed(99)  # nothing may depend on what torch drew elsewhere
    after = make_trainer(settings)
    after.restore(state)
    rest = run(after)

    assert [step.number for step in first + rest] == [step.number for step in steps]
    for one, other in zip(first + rest, steps, strict=True):
        assert_same([one.losses, one.weights, one.loss], [other.losses, other.weights, other.loss])
    assert_same(after.state(), whole.state())


def test_another_seed_is_another_training(make_trainer: Make, config: Config) -> None:
    one, other = (
        make_trainer(config(optimisation={"steps": 1, "precision": "fp32"})) for _ in "ab"
    )
    third = make_trainer(
        config(optimisation={"steps": 1, "precision": "fp32"}).model_copy(update={"seed": 1})
    )
    assert_same(one.state()["network"], other.state()["network"])
    run(one), run(other)
    assert_same(one.state()["network"], other.state()["network"])
    weights = [trainer.network.classifier.weight for trainer in (one, third)]
    assert not torch.equal(*weights)


def test_it_learns(make_trainer: Make, config: Config) -> None:
    """On five colours every loss falls and the classifier gets them right."""
    steps = run(make_trainer(config(optimisation={"epochs": 15, "precision": "fp32"})))
    first, last = steps[0], steps[-1]
    assert last.losses["identity"] < 0.7 * first.losses["identity"]
    assert last.losses["semantic"] < 0.7 * first.losses["semantic"]
    assert sum(float(step.accuracy) for step in steps[-5:]) / 5 > 0.7


def test_the_schedule_reaches_the_optimiser(make_trainer: Make, config: Config) -> None:
    settings = config(
        optimisation={"epochs": 3, "milestones": [1, 2], "warmup": 0.5, "precision": "fp32"}
    )
    trainer = make_trainer(settings)
    rates = [step.learning_rate for step in run(trainer)]
    assert rates == [learning_rate(settings.optimisation, step, 2) for step in range(6)]
    assert trainer.state()["optimiser"]["param_groups"][0]["lr"] == rates[-1]


def test_gradients_are_clipped(make_trainer: Make, config: Config) -> None:
    """A tiny limit: Adam's first moments after a step are a tenth of a gradient of that norm."""
    trainer = make_trainer(config(optimisation={"steps": 1, "clip": 1e-3, "weight_decay": 0.0}))
    (step,) = run(trainer)
    assert step.gradient_norm > 1e-3
    moments = [state["exp_avg"] for state in trainer.state()["optimiser"]["state"].values()]
    norm = torch.linalg.vector_norm(torch.stack([m.norm() for m in moments]))
    assert float(norm) == pytest.approx(1e-4, rel=1e-3)


@pytest.mark.parametrize("off", ["fidi", "semantic"])
def test_a_loss_that_is_off_changes_the_training(
    make_trainer: Make, config: Config, off: str
) -> None:
    trainer = make_trainer(
        config(losses={"weights": {off: 0.0}}, optimisation={"steps": 2, "precision": "fp32"})
    )
    assert all(off not in step.losses and len(step.weights) == 2 for step in run(trainer))


def test_compiling_is_an_option_of_the_loop_alone(make_trainer: Make, config: Config) -> None:
    """What is saved has the plain network's names, so any run can read it."""
    plain = make_trainer(config())
    compiled = make_trainer(config(optimisation={"compile": True}))
    assert list(plain.state()["network"]) == list(compiled.state()["network"])
