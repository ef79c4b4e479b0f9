from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from visnet_model.config import LossSettings
from visnet_model.losses.fidi import FidiLoss
from visnet_model.losses.weighting import DynamicWeightAveraging, FixedWeights, Weighting
from visnet_model.network.visnet import TrainingOutputs
from visnet_model.training.objective import (
    NonFiniteLossError,
    Objective,
    add_up,
    check_finite,
)

torch.set_num_threads(1)

LABELS = torch.tensor([0, 0, 1, 1])


@pytest.fixture
def outputs() -> TrainingOutputs:
    torch.manual_seed(0)
    return TrainingOutputs(
        embeddings=torch.randn(4, 8, requires_grad=True),
        logits=torch.randn(4, 3, requires_grad=True),
        semantic_logits=torch.randn(4, 4, 2, 2, requires_grad=True),
        pseudo_labels=torch.randint(4, (4, 2, 2)),
    )


def test_each_loss_is_the_one_it_is_named_after(outputs: TrainingOutputs) -> None:
    settings = LossSettings.model_validate({"smoothing": 0.2, "fidi": {"scale": 2.0}})
    total = Objective(settings)(outputs, LABELS)
    expected = {
        "identity": F.cross_entropy(outputs.logits, LABELS, label_smoothing=0.2),
        "fidi": FidiLoss(scale=2.0)(outputs.embeddings, LABELS),
        "semantic": F.cross_entropy(
            outputs.semantic_logits, outputs.pseudo_labels, label_smoothing=0.2
        ),
    }
    assert list(total.values) == list(expected)
    for name, value in expected.items():
        torch.testing.assert_close(total.values[name], value.detach())
    torch.testing.assert_close(total.loss, sum(expected.values()) / 3)


@pytest.mark.parametrize("off", ["identity", "fidi", "semantic"])
@pytest.mark.parametrize("weighting", ["dynamic", "fixed"])
def test_a_loss_that_is_off_is_not_there(
    outputs: TrainingOutputs, off: str, weighting: str
) -> None:
    settings = LossSettings.model_validate({"weighting": weighting, "weights": {off: 0.0}})
    total = Objective(settings)(outputs, LABELS)
    assert off not in total.values
    total.loss.backward()
    gradients = {
        "identity": outputs.logits.grad,
        "fidi": outputs.embeddings.grad,
        "semantic": outputs.semantic_logits.grad,
    }
    assert [name for name, gradient in gradients.items() if gradient is None] == [off]


def test_fixed_weights_are_used_as_they_are(outputs: TrainingOutputs) -> None:
    weights = {"identity": 1.0, "fidi": 20.0, "semantic": 0.5}
    settings = LossSettings.model_validate({"weighting": "fixed", "weights": weights})
    total = Objective(settings)(outputs, LABELS)
    expected = sum(weights[name] * value for name, value in total.values.items())
    torch.testing.assert_close(total.loss.detach(), torch.as_tensor(expected))


STEPS = [(6.0, 0.4, 1.5), (5.0, 0.4, 1.0), (3.0, 0.5, 1.0), (2.0, 0.3, 0.9)]


def losses_of(values: tuple[float, float, float]) -> dict[str, torch.Tensor]:
    return {
        name: torch.tensor(value, requires_grad=True)
        for name, value in zip(("identity", "fidi", "semantic"), values, strict=True)
    }


def test_the_total_is_the_weighted_sum_and_weights_carry_no_gradient() -> None:
    weighting = DynamicWeightAveraging(("identity", "fidi", "semantic"))
    for values in STEPS:
        given = losses_of(values)
        total = add_up(given, weighting)
        grads = torch.autograd.grad(total.loss, list(given.values()))
        weights = [float(weight) for weight in total.weights.values()]
        expected = sum(weight * value for weight, value in zip(weights, values, strict=True))
        assert float(total.loss.detach()) == pytest.approx(expected)
        assert [float(grad) for grad in grads] == weights  # nothing through the weights
        assert {name: float(v) for name, v in total.values.items()} == pytest.approx(
            dict(zip(given, values, strict=True))
        )
        assert not any(t.requires_grad for t in [*total.values.values(), *total.weights.values()])


@pytest.mark.parametrize("off", [0.0, 1e9, math.nan, math.inf, None])
@pytest.mark.parametrize("kind", ["dynamic", "fixed"])
def test_a_switched_off_loss_changes_nothing(kind: str, off: float | None) -> None:
    """Neither the sum nor the others' weights, whatever its value, given or not."""

    def run(fidi: float | None) -> list[tuple[float, dict[str, float]]]:
        weighting: Weighting = DynamicWeightAveraging(("identity", "semantic"))
        if kind == "fixed":
            weighting = FixedWeights({"identity": 0.7, "fidi": 0.0, "semantic": 0.3})
        made = []
        for identity, _, semantic in STEPS:
            given = {"identity": torch.tensor(identity), "semantic": torch.tensor(semantic)}
            if fidi is not None:
                given["fidi"] = torch.tensor(fidi)
            total = add_up(given, weighting)
            made.append((float(total.loss), {k: float(w) for k, w in total.weights.items()}))
        return made

    assert run(off) == run(1.0)
    for _, weights in run(off):
        assert set(weights) == {"identity", "semantic"}
        assert sum(weights.values()) == pytest.approx(1)


def test_a_missing_loss_is_an_error() -> None:
    weighting = DynamicWeightAveraging(("identity", "fidi"))
    with pytest.raises(ValueError, match="no value for the loss fidi; given: identity"):
        add_up({"identity": torch.tensor(1.0)}, weighting)


def test_losses_of_half_precision_add_up_in_fp32() -> None:
    losses = {"a": torch.tensor(256.0, dtype=torch.bfloat16), "b": torch.tensor(0.5)}
    total = add_up(losses, FixedWeights({"a": 1.0, "b": 1.0}))
    assert total.loss.dtype == torch.float32
    assert float(total.loss) == 256.5


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_non_finite_loss_names_step_values_and_images(bad: float) -> None:
    names = [f"{i:04d}_c1s1_000001_00.jpg" for i in range(20)]
    values = {"identity": torch.tensor(6.5), "fidi": torch.tensor(bad)}
    with pytest.raises(NonFiniteLossError) as caught:
        check_finite(values, 317, names)
    assert caught.value.step == 317
    assert caught.value.images == tuple(names)
    assert caught.value.values["identity"] == 6.5
    message = str(caught.value)
    for said in ("step 317", "identity 6.5", f"fidi {bad:.6g}", names[0], names[11], "8 more"):
        assert said in message
    assert names[12] not in message
    assert "\n" not in message


def test_finite_losses_pass() -> None:
    check_finite({"a": torch.tensor(1e30), "b": torch.tensor(-0.5)}, 1, ["x.jpg"])
