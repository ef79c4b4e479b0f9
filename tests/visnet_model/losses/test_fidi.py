from __future__ import annotations

import math
from typing import Any, Literal, TypeAlias

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from visnet_model.losses.classification import SmoothedCrossEntropy
from visnet_model.losses.fidi import FidiLoss
from visnet_model.losses.ranks import GlobalBatch

torch.set_num_threads(1)

Normalisation: TypeAlias = Literal["unit", "none"]


def slow_fidi(
    embeddings: Tensor, pids: Tensor, alpha: float, beta: float, unit: bool, scale: float
) -> float:
    """The formula, a pair at a time, in Python's floats."""
    rows = embeddings.detach().double().tolist()
    if unit:
        rows = [[x / math.hypot(*row) for x in row] for row in rows]

    def divergence(p: float, q: float) -> float:
        return p * math.log(alpha * p / ((alpha - 1) * p + q)) if p > 0 else 0.0

    losses = []
    for i, a in enumerate(rows):
        for j, b in enumerate(rows):
            if i != j:
                u = math.exp(-beta * scale * math.dist(a, b))
                k = float(pids[i] == pids[j])
                losses.append(divergence(u, k) + divergence(k, u))
    return math.fsum(losses) / len(losses) if losses else 0.0


def batch(n: int, channels: int, identities: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(seed)
    pids = torch.from_numpy(rng.integers(identities, size=n))
    return torch.from_numpy(rng.standard_normal((n, channels))), pids


def gradient(loss: FidiLoss, embeddings: Tensor, pids: Tensor) -> tuple[Tensor, Tensor]:
    leaf = embeddings.detach().clone().requires_grad_()
    value = loss(leaf, pids)
    (grad,) = torch.autograd.grad(value, leaf)
    return value.detach(), grad


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("normalisation", ["unit", "none"])
@pytest.mark.parametrize(("n", "channels", "identities"), [(2, 1, 2), (9, 3, 3), (24, 64, 6)])
def test_equals_the_double_loop(
    n: int, channels: int, identities: int, normalisation: Normalisation, dtype: torch.dtype
) -> None:
    embeddings, pids = batch(n, channels, identities)
    embeddings = embeddings.to(dtype)  # the reference sees the same rounded numbers
    loss = FidiLoss(normalisation=normalisation, scale=1.7)(embeddings, pids)
    expected = slow_fidi(embeddings, pids, 1.05, 0.5, normalisation == "unit", 1.7)
    assert loss.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert float(loss) == pytest.approx(expected, rel=1e-10 if dtype == torch.float64 else 2e-5)


@settings(deadline=None, max_examples=60)
@given(
    alpha=st.floats(1.001, 4),
    beta=st.floats(0.05, 3),
    scale=st.floats(0.01, 60),
    n=st.integers(0, 8),
    identities=st.integers(1, 8),
    seed=st.integers(0, 1000),
    unit=st.booleans(),
)
def test_equals_the_double_loop_for_any_arguments(
    alpha: float, beta: float, scale: float, n: int, identities: int, seed: int, unit: bool
) -> None:
    embeddings, pids = batch(n, 4, identities, seed)
    loss = FidiLoss(alpha, beta, "unit" if unit else "none", scale)(embeddings, pids)
    expected = slow_fidi(embeddings, pids, alpha, beta, unit, scale)
    assert float(loss) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("normalisation", ["unit", "none"])
def test_gradient_is_the_slope_of_the_formula(normalisation: Normalisation) -> None:
    embeddings, pids = batch(7, 5, 3)
    loss = FidiLoss(normalisation=normalisation)
    assert torch.autograd.gradcheck(lambda e: loss(e, pids), embeddings.requires_grad_())


def test_half_precision_inputs_under_autocast_are_computed_in_fp32() -> None:
    embeddings, pids = batch(12, 32, 3)
    embeddings = embeddings.float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value, grad = gradient(FidiLoss(), embeddings, pids)
        _, half_grad = gradient(FidiLoss(), embeddings.bfloat16(), pids)
    plain_value, plain_grad = gradient(FidiLoss(), embeddings, pids)
    assert value.dtype == torch.float32
    assert torch.equal(value, plain_value)
    assert torch.equal(grad, plain_grad)
    assert half_grad.dtype == torch.bfloat16  # the input's type
    torch.testing.assert_close(half_grad.float(), plain_grad, rtol=0.05, atol=1e-4)


PIDS = {
    "single image": [0],
    "no positive pair": [0, 1, 2, 3],
    "no negative pair": [5, 5, 5, 5],
    "both": [0, 0, 1, 1],
}


@pytest.mark.parametrize("normalisation", ["unit", "none"])
@pytest.mark.parametrize("kind", ["random", "duplicates", "zero", "near duplicates", "huge"])
@pytest.mark.parametrize("case", PIDS)
def test_stays_finite(case: str, kind: str, normalisation: Normalisation) -> None:
    pids = torch.tensor(PIDS[case])
    embeddings = batch(len(pids), 16, 1)[0].float()
    if kind in ("duplicates", "near duplicates"):
        embeddings = embeddings[:1].repeat(len(pids), 1)
        embeddings[0, 0] += 1e-6 * (kind == "near duplicates")
    embeddings *= {"zero": 0.0, "huge": 1e15}.get(kind, 1.0)
    value, grad = gradient(FidiLoss(normalisation=normalisation), embeddings, pids)
    assert value.isfinite()
    assert grad.isfinite().all()
    assert value >= -1e-6
    if case == "single image":
        assert value == 0
        assert not grad.any()


def test_an_empty_batch_is_no_loss() -> None:
    value, grad = gradient(FidiLoss(), torch.zeros(0, 8), torch.zeros(0, dtype=torch.int64))
    assert value == 0
    assert grad.shape == (0, 8)


def test_known_values() -> None:
    """Coincident positives cost nothing; coincident negatives log 21, and far positives too."""
    together = torch.ones(2, 4)
    apart = torch.tensor([[1e4, 0.0], [0.0, 0.0]])
    same, other = torch.tensor([3, 3]), torch.tensor([3, 4])
    loss = FidiLoss(normalisation="none", scale=1.0)
    assert float(loss(together, same)) == pytest.approx(0, abs=1e-6)
    assert float(loss(together, other)) == pytest.approx(math.log(21))
    assert float(loss(apart, same)) == pytest.approx(math.log(21))
    assert float(loss(apart, other)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("normalisation", ["unit", "none"])
@pytest.mark.parametrize("ranks", [2, 4])
def test_ranks_average_to_one_process(ranks: int, normalisation: Normalisation) -> None:
    embeddings, pids = batch(12, 6, 4)
    loss = FidiLoss(normalisation=normalisation)
    value, grad = gradient(loss, embeddings, pids)
    values, grads = [], []
    each = len(pids) // ranks
    for first in range(0, len(pids), each):
        own = embeddings[first : first + each].clone().requires_grad_()
        part = loss(own, pids[first : first + each], GlobalBatch(embeddings, pids, first))
        values.append(part.detach())
        grads.append(torch.autograd.grad(part, own)[0] / ranks)  # as DDP averages
    torch.testing.assert_close(torch.stack(values).mean(), value)
    torch.testing.assert_close(torch.cat(grads), grad)


def pk_batch(share: float) -> tuple[Tensor, Tensor]:
    """P = 16, K = 4 batch-normalised 2048-d embeddings, `share` of their variance by identity."""
    rng = torch.Generator().manual_seed(0)
    pids = torch.arange(16).repeat_interleave(4)
    centres = torch.randn(16, 2048, generator=rng)[pids]
    noise = torch.randn(64, 2048, generator=rng)
    embeddings = share**0.5 * centres + (1 - share) ** 0.5 * noise
    return torch.nn.BatchNorm1d(2048)(embeddings).detach(), pids


def test_raw_embeddings_do_not_train() -> None:
    """The published training log's failure: the loss stands at 0.145 in every epoch.

    Far embeddings leave log(α / (α−1)) = 3.04 on each positive pair and nothing on the others:
    with 4 images an identity, 3 pairs in 63 are positive, 3.04 · 3 / 63 = 0.145 (with 12 images of
    8 identities it would be 0.353).
    """
    embeddings, pids = pk_batch(0)
    distance = torch.pdist(embeddings).mean()
    likeness = torch.exp(-0.5 * distance)
    value, grad = gradient(FidiLoss(normalisation="none", scale=1.0), embeddings, pids)
    assert 60 < distance < 66
    assert likeness < 2e-13
    assert float(value) == pytest.approx(math.log(21) * 3 / 63, abs=1e-6)
    assert float(value) == pytest.approx(0.145, abs=1e-4)
    assert grad.norm() < 1e-12


def test_the_default_gradient_counts_next_to_the_identity_loss() -> None:
    """As a part of the identity loss's; unit norm costs it the embedding's length, 45."""
    classifier = torch.nn.Linear(2048, 751, bias=False)
    torch.nn.init.normal_(classifier.weight, std=0.0074, generator=torch.Generator().manual_seed(1))
    for share, least in ((0.0, 1e-3), (0.5, 3e-3), (0.8, 1e-2)):
        embeddings, pids = pk_batch(share)
        leaf = embeddings.clone().requires_grad_()
        identity_loss = SmoothedCrossEntropy()(classifier(leaf), pids)
        (identity,) = torch.autograd.grad(identity_loss, leaf)
        _, raw = gradient(FidiLoss(normalisation="none", scale=1.0), embeddings, pids)
        _, default = gradient(FidiLoss(), embeddings, pids)
        assert least < default.norm() / identity.norm() < 1
        assert raw.norm() / identity.norm() < 1e-5


@pytest.mark.parametrize(
    ("loss", "learns"),
    [(FidiLoss(), True), (FidiLoss(normalisation="none", scale=1.0), False)],
    ids=["default", "raw"],
)
def test_descent_on_a_toy_separates_identities(loss: FidiLoss, learns: bool) -> None:
    """A linear map and a BN neck, 16 identities that noise drowns."""
    rng = torch.Generator().manual_seed(0)
    pids = torch.arange(16).repeat_interleave(4)
    images = 0.2 * torch.randn(16, 128, generator=rng)[pids] + torch.randn(64, 128, generator=rng)
    weight = (torch.randn(128, 2048, generator=rng) / 128**0.5).requires_grad_()
    neck = torch.nn.BatchNorm1d(2048)
    optimiser = torch.optim.Adam([weight], lr=1e-2)
    seen = []
    for _ in range(30):
        embeddings = neck(images @ weight)
        value = loss(embeddings, pids)
        seen.append((float(value.detach()), separation(embeddings.detach(), pids)))
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
    assert seen[0][1] < 0.9
    if learns:
        assert seen[-1][0] < 0.6 * seen[0][0]
        assert seen[-1][1] > 0.999
    else:
        assert seen[-1][0] == pytest.approx(seen[0][0], abs=1e-6)
        assert seen[-1][1] == pytest.approx(seen[0][1], abs=1e-2)


def separation(embeddings: Tensor, pids: Tensor) -> float:
    """Chance that a pair of one identity is nearer than a pair of two, by unit-norm distance."""
    unit = torch.nn.functional.normalize(embeddings)
    distance = torch.cdist(unit, unit)
    same = pids[:, None] == pids[None, :]
    nearer = distance[same.triu(1)][:, None] < distance[~same][None, :]
    return float(nearer.float().mean())


@pytest.mark.parametrize(
    "arguments",
    [
        {"alpha": 1.0},
        {"alpha": math.nan},
        {"beta": 0.0},
        {"scale": -1.0},
        {"normalisation": "batch"},
    ],
)
def test_senseless_arguments_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="FIDI"):
        FidiLoss(**arguments)
