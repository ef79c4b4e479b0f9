from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from visnet_model.config import LossSettings
from visnet_model.losses.fidi import FidiLoss
from visnet_model.network.visnet import TrainingOutputs
from visnet_model.training.objective import Objective

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
