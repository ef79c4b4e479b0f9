"""How the losses are added up: dynamic weight averaging, or fixed weights.

Both are called once a step with the step's loss values and return the weights for that same step.
They are no modules but, like a learning-rate schedule, small objects with a state of plain types.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

HISTORY = 50
"""Batches whose loss values are kept (paper II-F)."""

TEMPERATURE = 2.0
"""T of the softmax (paper II-F): the higher, the closer the weights stay to equal."""


class Weighting(Protocol):
    """What gives each loss its weight.

    Attributes:
        names: The losses that take part, in the order of values and weights.
    """

    @property
    def names(self) -> tuple[str, ...]:
        """The losses that take part; one that is switched off is not among them."""
        ...

    def __call__(self, values: Tensor) -> Tensor:
        """Take a step's K loss values and return its K weights, fp32 on the values' device."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return all that the next weights depend on, in plain types."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state.

        Raises:
            ValueError: It belongs to other losses.
        """
        ...


class DynamicWeights:
    """Dynamic weight averaging: a loss that falls more slowly than the others weighs more.

    ``w = softmax(r / T)``, ``r_k = L_k(t−1) / L_k(t−2)`` (paper II-E4 and II-F, after Liu et al.,
    CVPR 2019). The weights sum to 1 and are equal until two batches are past. They depend on loss
    values of past batches only and carry no gradient. A loss whose last value but one is not
    above 0, as FIDI's is where a batch has no pair, counts as unchanged, r = 1.

    The history stays on the losses' device and nothing here waits for it. Of the 50 batches the
    weights read the last two; the rest goes into checkpoints and logs.

    Args:
        names: The losses that take part.

    Raises:
        ValueError: No names, or one twice.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = _checked_names(names)
        self._batches = 0
        self._ring = torch.zeros(HISTORY, len(self.names))

    def __call__(self, values: Tensor) -> Tensor:
        """Return the weights that past batches give, then add this one to them.

        Args:
            values: K loss values of this step, the same on all ranks.

        Returns:
            K weights, fp32.
        """
        values = values.detach().to(torch.float32)
        self._ring = self._ring.to(values.device)  # moves in the first step only
        weights = self._weights()
        self._ring[self._batches % HISTORY] = values
        self._batches += 1
        return weights

    def state_dict(self) -> dict[str, Any]:
        """Return names, number of batches seen, and their last 50 values, oldest first."""
        kept = min(self._batches, HISTORY)
        values = self._ring.tolist()
        history = [values[i % HISTORY] for i in range(self._batches - kept, self._batches)]
        return {"names": list(self.names), "batches": self._batches, "history": history}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue exactly where the state was taken.

        Raises:
            ValueError: It belongs to other losses, or its history has the wrong size.
        """
        _check_names(state, self.names)
        batches, history = state["batches"], state["history"]
        if len(history) != min(batches, HISTORY) or any(
            len(values) != len(self.names) for values in history
        ):
            raise ValueError(
                f"the weighting's history does not hold the last {HISTORY} of {batches} batches "
                f"of {len(self.names)} losses"
            )
        self._batches = batches
        self._ring = torch.zeros(HISTORY, len(self.names))
        for i, values in enumerate(history, start=batches - len(history)):
            self._ring[i % HISTORY] = torch.tensor(values)

    def _weights(self) -> Tensor:
        if self._batches < 2:
            return self._ring.new_full((len(self.names),), 1 / len(self.names))
        last, before = (self._ring[(self._batches - back) % HISTORY] for back in (1, 2))
        # Bounded: after a loss of nearly 0 the ratio could overflow, and softmax(inf) is nan.
        ratio = torch.where(before > 0, last / before, torch.ones_like(last)).clamp(max=1e6)
        return torch.softmax(ratio / TEMPERATURE, dim=0)


class FixedWeights:
    """The same weights at every step, for ablations; the weights are used as they are given.

    Args:
        weights: Weight of each loss; 0 switches a loss off.

    Raises:
        ValueError: A weight is negative or not finite, or none is above 0.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        for name, weight in weights.items():
            if not (math.isfinite(weight) and weight >= 0):
                raise ValueError(f"the weight of loss {name!r} must be 0 or more, not {weight}")
        self.names = _checked_names([name for name, weight in weights.items() if weight > 0])
        self._weights = torch.tensor([weights[name] for name in self.names])

    def __call__(self, values: Tensor) -> Tensor:
        """Return the weights, whatever the values."""
        self._weights = self._weights.to(values.device)
        return self._weights

    def state_dict(self) -> dict[str, Any]:
        """Return the names only: there is nothing to continue."""
        return {"names": list(self.names)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Check that the state is of the same losses.

        Raises:
            ValueError: It is of others.
        """
        _check_names(state, self.names)


def _checked_names(names: Sequence[str]) -> tuple[str, ...]:
    if not names or len(set(names)) != len(names):
        raise ValueError(f"losses need different names, at least one, not {list(names)}")
    return tuple(names)


def _check_names(state: Mapping[str, Any], names: tuple[str, ...]) -> None:
    if list(state["names"]) != list(names):
        raise ValueError(
            f"the weighting's state is of the losses {', '.join(state['names'])}, but this run has "
            f"{', '.join(names)}"
        )
