"""One number to descend from the named losses, and the stop where it is none."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from visnet_model.losses.ranks import mean_over_ranks
from visnet_model.losses.weighting import Weighting

NAMES_SHOWN = 12
"""Sample names in the message of a non-finite loss; the error object has them all."""


class NonFiniteLossError(ArithmeticError):
    """A loss is infinite or not a number: training cannot go on.

    Attributes:
        step: The step, as the trainer counts.
        parts: Value of each loss.
        samples: Names of the batch's images.
    """

    def __init__(self, step: int, parts: Mapping[str, float], samples: Sequence[str]) -> None:
        self.step = step
        self.parts = dict(parts)
        self.samples = tuple(samples)
        values = ", ".join(f"{name} {value:.6g}" for name, value in parts.items())
        more = len(self.samples) - NAMES_SHOWN
        shown = ", ".join(self.samples[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")
        super().__init__(f"the loss is not finite at step {step}: {values}; batch: {shown}")


@dataclass(frozen=True, slots=True)
class Total:
    """The sum of a step's losses.

    Attributes:
        loss: Scalar to call ``backward`` on, of this rank's samples.
        values: Each loss that takes part, mean over ranks, without gradient, on its device.
        weights: The weight of each, without gradient, on its device.
    """

    loss: Tensor
    values: dict[str, Tensor]
    weights: dict[str, Tensor]


class TotalLoss(nn.Module):
    """Weigh and add the named losses.

    A loss that the weighting does not name is switched off: it may be absent, and where it is
    given it reaches neither the sum nor the other losses' weights, not even as a nan.

    Args:
        weighting: Gives the weights and says which losses take part.
    """

    def __init__(self, weighting: Weighting) -> None:
        super().__init__()
        self.weighting = weighting

    def forward(self, parts: Mapping[str, Tensor]) -> Total:
        """Add the losses up; counts as one step of the weighting, so call it in training only.

        Weights come from values averaged over ranks, so that all ranks have the same.

        Args:
            parts: Scalar losses by name, each a mean over this rank's samples or pairs.

        Returns:
            The sum with its parts.

        Raises:
            ValueError: A loss that takes part is not given.
        """
        names = self.weighting.names
        missing = [name for name in names if name not in parts]
        if missing:
            raise ValueError(
                f"no value for the loss {', '.join(missing)}; given: {', '.join(parts)}"
            )
        losses = torch.stack([parts[name].to(torch.float32) for name in names])
        values = mean_over_ranks(losses)
        weights = self.weighting(values)
        return Total(
            loss=(weights * losses).sum(),
            values=dict(zip(names, values.unbind(), strict=True)),
            weights=dict(zip(names, weights.unbind(), strict=True)),
        )


def check_finite(values: Mapping[str, Tensor], step: int, samples: Sequence[str]) -> None:
    """Stop on a loss that is infinite or not a number.

    Reads the values on the host, which on a GPU waits for the step: call it where the values are
    read anyway, or a step later, when they are done. As the values are means over ranks, all ranks
    stop at once; each names its own samples.

    Args:
        values: Scalar losses by name, as `Total.values`.
        step: The step that they are of.
        samples: Names of that step's images.

    Raises:
        NonFiniteLossError: One of them is not finite.
    """
    numbers = torch.stack([value.detach().float() for value in values.values()]).tolist()
    if not all(map(math.isfinite, numbers)):
        raise NonFiniteLossError(step, dict(zip(values, numbers, strict=True)), samples)
