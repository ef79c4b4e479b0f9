from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from visnet_model.losses.classification import SmoothedCrossEntropy

torch.set_num_threads(1)


def slow_cross_entropy(logits: np.ndarray, labels: np.ndarray, smoothing: float) -> float:
    """A reference for rows of logits with one label each, in float64."""
    losses = []
    for row, label in zip(logits, labels, strict=True):
        top = max(row)
        log_sum = top + math.log(math.fsum(math.exp(x - top) for x in row))
        for k, x in enumerate(row):
            target = smoothing / len(row) + (1 - smoothing) * (k == label)
            losses.append(-target * (x - log_sum))
    return math.fsum(losses) / len(labels)


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("shape", [(6, 751), (2, 4, 8, 4), (1, 2)])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_equals_the_slow_reference(
    smoothing: float, shape: tuple[int, ...], dtype: torch.dtype, autocast: bool
) -> None:
    rng = np.random.default_rng(0)
    logits = torch.from_numpy(3 * rng.standard_normal(shape)).to(dtype)
    labels = torch.from_numpy(rng.integers(shape[1], size=(shape[0], *shape[2:])))
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        loss = SmoothedCrossEntropy(smoothing)(logits, labels)
    rows = logits.double().movedim(1, -1).reshape(-1, shape[1]).numpy()
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(
        slow_cross_entropy(rows, labels.numpy().ravel(), smoothing), rel=1e-5
    )


@pytest.mark.parametrize("smoothing", [-0.1, 1.0, math.nan])
def test_senseless_smoothing_is_refused(smoothing: float) -> None:
    with pytest.raises(ValueError, match="smoothing"):
        SmoothedCrossEntropy(smoothing)
