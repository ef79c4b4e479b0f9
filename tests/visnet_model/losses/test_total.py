from __future__ import annotations

import math

import pytest
import torch

from visnet_model.losses.total import NonFiniteLossError, TotalLoss, check_finite
from visnet_model.losses.weighting import DynamicWeights, FixedWeights

torch.set_num_threads(1)

STEPS = [(6.0, 0.4, 1.5), (5.0, 0.4, 1.0), (3.0, 0.5, 1.0), (2.0, 0.3, 0.9)]


def parts(values: tuple[float, float, float]) -> dict[str, torch.Tensor]:
    return {
        name: torch.tensor(value, requires_grad=True)
        for name, value in zip(("identity", "fidi", "semantic"), values, strict=True)
    }


def test_the_total_is_the_weighted_sum_and_weights_carry_no_gradient() -> None:
    total_loss = TotalLoss(DynamicWeights(("identity", "fidi", "semantic")))
    for values in STEPS:
        given = parts(values)
        total = total_loss(given)
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
        if kind == "dynamic":
            total_loss = TotalLoss(DynamicWeights(("identity", "semantic")))
        else:
            total_loss = TotalLoss(FixedWeights({"identity": 0.7, "fidi": 0.0, "semantic": 0.3}))
        made = []
        for identity, _, semantic in STEPS:
            given = {"identity": torch.tensor(identity), "semantic": torch.tensor(semantic)}
            if fidi is not None:
                given["fidi"] = torch.tensor(fidi)
            total = total_loss(given)
            made.append((float(total.loss), {k: float(w) for k, w in total.weights.items()}))
        return made

    assert run(off) == run(1.0)
    for _, weights in run(off):
        assert set(weights) == {"identity", "semantic"}
        assert sum(weights.values()) == pytest.approx(1)


def test_a_missing_loss_is_an_error() -> None:
    total_loss = TotalLoss(DynamicWeights(("identity", "fidi")))
    with pytest.raises(ValueError, match="no value for the loss fidi; given: identity"):
        total_loss({"identity": torch.tensor(1.0)})


def test_losses_of_half_precision_add_up_in_fp32() -> None:
    total = TotalLoss(FixedWeights({"a": 1.0, "b": 1.0}))(
        {"a": torch.tensor(256.0, dtype=torch.bfloat16), "b": torch.tensor(0.5)}
    )
    assert total.loss.dtype == torch.float32
    assert float(total.loss) == 256.5


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_non_finite_loss_names_step_parts_and_samples(bad: float) -> None:
    names = [f"{i:04d}_c1s1_000001_00.jpg" for i in range(20)]
    values = {"identity": torch.tensor(6.5), "fidi": torch.tensor(bad)}
    with pytest.raises(NonFiniteLossError) as caught:
        check_finite(values, 317, names)
    assert caught.value.step == 317
    assert caught.value.samples == tuple(names)
    assert caught.value.parts["identity"] == 6.5
    message = str(caught.value)
    for said in ("step 317", "identity 6.5", f"fidi {bad:.6g}", names[0], names[11], "8 more"):
        assert said in message
    assert names[12] not in message
    assert "\n" not in message


def test_finite_losses_pass() -> None:
    check_finite({"a": torch.tensor(1e30), "b": torch.tensor(-0.5)}, 1, ["x.jpg"])
