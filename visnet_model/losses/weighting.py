"""Weights of the losses: dynamic weight averaging, or fixed weights.

Both are called once per step with the loss values of the step and return the weights of that step.
They are not modules but, like a learning-rate schedule, small objects with a state of plain types.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

HISTORY = 50
"""Number of batches whose loss values are kept (paper II-F)."""

TEMPERATURE = 2.0
"""T of the softmax (paper II-F): the higher, the more equal the weights."""


class Weighting(Protocol):
    """Gives each loss its weight in each step."""

    @property
    def names(self) -> tuple[str, ...]:
        """The losses that are switched on, in the order of values and weights."""
        ...

    def __call__(self, values: Tensor) -> Tensor:
        """Return the weights of a step, fp32, given its loss values."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return everything that the next weights depend on, in plain types."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume from a state.

        Raises:
            ValueError: The state is of other losses.
        """
        ...


class DynamicWeightAveraging:
    """Dynamic weight averaging: losses that fall more slowly than the others get more weight.

    ``w = softmax(r / T)`` with ``r_k = L_k(t−1) / L_k(t−2)`` and T = 2 (paper II-E4 and II-F, after
    Liu et al., "End-to-end multi-task learning with attention", CVPR 2019). The weights sum to 1
    and are equal for the first two batches. They depend on the loss values of earlier batches only,
    and carry no gradient. If the last value but one of a loss is not above 0, as FIDI's if a batch
    has no pair, the loss counts as unchanged, r = 1.

    The history stays on the device of the losses, and the host does not wait for it. It has the
    last 50 batches, as in the paper; the weights depend on the last two.

    Args:
        names: The names of the losses, in the order of their values.

    Raises:
        ValueError: There are no names, or one occurs twice.

    Examples:
        >>> import torch
        >>> from visnet_model import DynamicWeightAveraging
        >>> weighting = DynamicWeightAveraging(["identity", "fidi"])
        >>> for values in ([6.0, 0.5], [3.0, 0.5], [2.0, 0.4]):
        ...     weights = weighting(torch.tensor(values))
        >>> [round(weight, 3) for weight in weights.tolist()]  # identity fell faster
        [0.438, 0.562]
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = _checked_names(names)
        self._batches = 0
        self._ring = torch.zeros(HISTORY, len(self.names))

    def __call__(self, values: Tensor) -> Tensor:
        """Return the weights of this step, and add its values to the history.

        Args:
            values: One value per loss, the same on all ranks.

        Returns:
            fp32, one weight per loss.
        """
        values = values.detach().to(torch.float32)
        self._ring = self._ring.to(values.device)  # only moves in the first step
        weights = self._weights()
        self._ring[self._batches % HISTORY] = values
        self._batches += 1
        return weights

    def state_dict(self) -> dict[str, Any]:
        """Return names, number of batches, and the values of the last 50, oldest first."""
        kept = min(self._batches, HISTORY)
        values = self._ring.tolist()
        history = [values[i % HISTORY] for i in range(self._batches - kept, self._batches)]
        return {"names": list(self.names), "batches": self._batches, "history": history}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume exactly where the state was taken.

        Raises:
            ValueError: The state is of other losses, or its history has the wrong size.
        """
        _check_names(state, self.names)
        batches, history = state["batches"], state["history"]
        if len(history) != min(batches, HISTORY) or any(
            len(values) != len(self.names) for values in history
        ):
            raise ValueError(
                f"the history of the weighting does not have the last {HISTORY} of {batches} "
                f"batches of {len(self.names)} losses"
            )
        self._batches = batches
        self._ring = torch.zeros(HISTORY, len(self.names))
        for i, values in enumerate(history, start=batches - len(history)):
            self._ring[i % HISTORY] = torch.tensor(values)

    def _weights(self) -> Tensor:
        if self._batches < 2:
            return self._ring.new_full((len(self.names),), 1 / len(self.names))
        last, before = (self._ring[(self._batches - back) % HISTORY] for back in (1, 2))
        # Clamped: after a loss near 0 the ratio could overflow, and softmax(inf) is NaN.
        ratio = torch.where(before > 0, last / before, torch.ones_like(last)).clamp(max=1e6)
        return torch.softmax(ratio / TEMPERATURE, dim=0)


class FixedWeights:
    """The same weights in every step, used as they are given; for ablations.

    Args:
        weights: Weight of each loss by its name; 0 switches a loss off.

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
        """Return the weights; the values only tell the device."""
        self._weights = self._weights.to(values.device)
        return self._weights

    def state_dict(self) -> dict[str, Any]:
        """Return the names; there is no other state."""
        return {"names": list(self.names)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Check that the state is of the same losses.

        Raises:
            ValueError: It is of other losses.
        """
        _check_names(state, self.names)


def _checked_names(names: Sequence[str]) -> tuple[str, ...]:
    if not names or len(set(names)) != len(names):
        raise ValueError(f"losses need one or more distinct names, not {list(names)}")
    return tuple(names)


def _check_names(state: Mapping[str, Any], names: tuple[str, ...]) -> None:
    if list(state["names"]) != list(names):
        raise ValueError(
            f"the state of the weighting is of the losses {', '.join(state['names'])}, but this "
            f"run has {', '.join(names)}"
        )
