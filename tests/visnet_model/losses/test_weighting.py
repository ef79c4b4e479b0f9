from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from visnet_model.losses.fidi import FidiLoss
from visnet_model.losses.weighting import HISTORY, DynamicWeightAveraging, FixedWeights, Weighting
from visnet_model.training.objective import add_up

torch.set_num_threads(1)

NAMES = ("identity", "fidi", "semantic")

loss_values = st.lists(
    st.lists(st.floats(0.0625, 32, width=32), min_size=3, max_size=3), min_size=1, max_size=12
)


class ReadOnHostError(AssertionError):
    pass


class NoHostReads(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Fails on operations that copy a value from the device to the host."""

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        waits = ("_local_scalar_dense", "item", "nonzero", "masked_select", "equal", "is_nonzero")
        if func.overloadpacket.__name__ in waits:
            raise ReadOnHostError(str(func))
        return func(*args, **(kwargs or {}))


def slow_weights(history: Sequence[Sequence[float]], losses: int) -> list[float]:
    """A reference for dynamic weight averaging as in the paper, in Python floats."""
    if len(history) < 2:
        return [1 / losses] * losses
    ratios = [a / b if b > 0 else 1.0 for a, b in zip(history[-1], history[-2], strict=True)]
    powers = [math.exp(ratio / 2) for ratio in ratios]
    return [power / sum(powers) for power in powers]


def run(weighting: Weighting, steps: Sequence[Sequence[float]]) -> list[list[float]]:
    return [weighting(torch.tensor(values)).tolist() for values in steps]


@settings(deadline=None, max_examples=80)
@given(loss_values)
def test_dynamic_weights_equal_the_slow_reference(steps: list[list[float]]) -> None:
    for t, weights in enumerate(run(DynamicWeightAveraging(NAMES), steps)):
        assert sum(weights) == pytest.approx(1, abs=1e-6)
        assert weights == pytest.approx(slow_weights(steps[:t], 3), rel=1e-4, abs=1e-7)


def test_weights_are_equal_until_two_batches_are_past_and_then_favour_the_slow() -> None:
    steps = [[2.0, 8.0], [1.0, 8.0], [5.0, 5.0], [5.0, 5.0]]
    first, second, third, fourth = run(DynamicWeightAveraging(("falls", "stands")), steps)
    assert first == second == [0.5, 0.5]
    assert third == pytest.approx([1 / (1 + math.exp(0.25)), 1 / (1 + math.exp(-0.25))])
    assert fourth == pytest.approx(slow_weights([[1.0, 8.0], [5.0, 5.0]], 2))


@pytest.mark.parametrize(
    ("before", "last", "expected"),
    [
        ((0.0, 1.0), (0.0, 1.0), (0.5, 0.5)),  # no pair in either batch: unchanged
        ((0.0, 1.0), (3.0, 1.0), (0.5, 0.5)),
        ((1e-38, 1.0), (1e30, 1.0), (1.0, 0.0)),  # the ratio overflows fp32
        ((1e-38, 1e-38), (1e30, 1e30), (0.5, 0.5)),
        ((1.0, 1.0), (0.0, 0.0), (0.5, 0.5)),
    ],
)
def test_extreme_losses_give_finite_weights(
    before: tuple[float, float], last: tuple[float, float], expected: tuple[float, float]
) -> None:
    assert run(DynamicWeightAveraging(("a", "b")), [before, last, last])[2] == pytest.approx(
        expected
    )


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2 * HISTORY + 7), st.integers(0, 2**20))
def test_a_state_continues_exactly(saved_after: int, seed: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    steps = torch.rand(saved_after + 5, 3, generator=rng).tolist()
    whole, part, resumed = (DynamicWeightAveraging(NAMES) for _ in range(3))
    expected = run(whole, steps)[saved_after:]
    run(part, steps[:saved_after])
    state = part.state_dict()
    assert len(state["history"]) == min(saved_after, HISTORY)
    resumed.load_state_dict(json.loads(json.dumps(state)))  # plain types, and exact as text
    assert run(resumed, steps[saved_after:]) == expected
    assert resumed.state_dict() == whole.state_dict()


def test_weights_carry_no_gradient() -> None:
    weighting = DynamicWeightAveraging(("a", "b"))
    values = torch.tensor([2.0, 3.0], requires_grad=True)
    for factor in (1, 2, 3, 4):
        assert not weighting(factor * values).requires_grad


def test_the_history_is_the_last_50_batches_oldest_first() -> None:
    weighting = DynamicWeightAveraging(("a",))
    run(weighting, [[float(i)] for i in range(1, 61)])
    assert weighting.state_dict()["history"] == [[float(i)] for i in range(11, 61)]


@pytest.mark.parametrize(
    "state",
    [
        {"names": ["identity", "fidi"], "batches": 0, "history": []},
        {"names": ["fidi", "identity", "semantic"], "batches": 0, "history": []},
        {"names": list(NAMES), "batches": 2, "history": [[1.0, 1.0, 1.0]]},
        {"names": list(NAMES), "batches": 1, "history": [[1.0, 1.0]]},
    ],
)
def test_a_foreign_state_is_an_error(state: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="weighting"):
        DynamicWeightAveraging(NAMES).load_state_dict(state)


def test_fixed_weights_are_what_was_given_and_check_their_state() -> None:
    weighting = FixedWeights({"identity": 1.0, "fidi": 0.0, "semantic": 0.25})
    assert weighting.names == ("identity", "semantic")
    assert run(weighting, [[3.0, 4.0], [1.0, 9.0]]) == [[1.0, 0.25]] * 2
    weighting.load_state_dict(weighting.state_dict())
    with pytest.raises(ValueError, match="identity, fidi"):
        weighting.load_state_dict({"names": ["identity", "fidi"]})


@pytest.mark.parametrize("weights", [{}, {"a": 0.0}, {"a": -1.0}, {"a": math.nan}, {"a": math.inf}])
def test_senseless_fixed_weights_are_refused(weights: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"loss"):
        FixedWeights(weights)


@pytest.mark.parametrize("names", [(), ("a", "a")])
def test_senseless_names_are_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="distinct names"):
        DynamicWeightAveraging(names)


@pytest.mark.parametrize(
    "weighting", [DynamicWeightAveraging(NAMES), FixedWeights({"identity": 1.0, "fidi": 0.5})]
)
def test_a_step_copies_nothing_to_the_host(weighting: Weighting) -> None:
    embeddings = torch.randn(6, 8, generator=torch.Generator().manual_seed(0)).requires_grad_()
    pids = torch.tensor([0, 0, 1, 1, 2, 2])
    fidi = FidiLoss()
    with NoHostReads():  # type: ignore[no-untyped-call]
        for _ in range(4):
            parts = {"identity": embeddings.square().mean(), "fidi": fidi(embeddings, pids)}
            total = add_up({**parts, "semantic": embeddings.abs().mean()}, weighting)
            torch.autograd.backward(total.loss)
    # Tensors without data: any access to a value fails, including tolist.
    for _ in range(4):
        values = {name: torch.ones((), device="meta") for name in NAMES}
        assert add_up(values, weighting).loss.device.type == "meta"


@pytest.mark.parametrize("read", [lambda t: t.item(), float, bool, torch.nonzero])
def test_the_guard_against_host_reads_works(read: Any) -> None:
    with NoHostReads(), pytest.raises(ReadOnHostError):  # type: ignore[no-untyped-call]
        read(torch.tensor(1.0))
