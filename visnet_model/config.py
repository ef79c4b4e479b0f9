"""What to train: one frozen config, the ``train:`` section of a pipeline file.

Everything that decides the trained weights is in it, beside the manifest; what only decides how
the work is done (device, where images are kept, processes) is not. Defaults are the paper's;
FIDI's normalisation and scale, which it does not give, have their reasons in `losses.fidi`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from visnet_aug.pipeline_file import dump_section, load_section
from visnet_model.data.settings import DataSettings

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(strict=True, ge=1)]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NetworkSettings(_Settings):
    """Which VisNet.

    Attributes:
        backbone: ResNet50 in the paper; the others for small machines.
        dropout: Probability in the semantic head.
        init: ``random``, ``imagenet``, or a file with a ResNet's state dict.
    """

    backbone: Literal["resnet50", "resnet34", "resnet18"] = "resnet50"
    dropout: Share = 0.1
    init: Annotated[str, Field(min_length=1)] = "random"


class FidiSettings(_Settings):
    """The arguments of `losses.fidi.FidiLoss`, with the reasons there.

    Attributes:
        alpha: Bounds the loss of a pair, by ``log(alpha / (alpha - 1))``.
        beta: How fast likeness falls with distance.
        normalisation: ``unit`` compares directions, as the evaluation does; ``none`` compares the
            embeddings as they are.
        scale: Multiplies the distance.
    """

    alpha: Annotated[float, Field(gt=1, allow_inf_nan=False)] = 1.05
    beta: Positive = 0.5
    normalisation: Literal["unit", "none"] = "unit"
    scale: Positive = 4.0


class LossWeights(_Settings):
    """A weight for each loss; 0 switches it off.

    Under dynamic weighting only 0 or not 0 counts.

    Attributes:
        identity: Who it is, by cross-entropy.
        fidi: The pairwise loss: which images show one person.
        semantic: Which part of a person each location shows, by pseudo-labels.
    """

    identity: NotNegative = 1.0
    fidi: NotNegative = 1.0
    semantic: NotNegative = 1.0

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not any(self.model_dump().values()):
            raise ValueError("every loss is switched off: one needs a weight above 0")
        return self


class LossSettings(_Settings):
    """What is descended.

    Attributes:
        weighting: ``dynamic`` weight averaging (paper II-F), or the ``weights`` as they are.
        weights: Of each loss.
        smoothing: Label smoothing of the identity and the semantic loss.
        fidi: The pairwise loss.
    """

    weighting: Literal["dynamic", "fixed"] = "dynamic"
    weights: LossWeights = LossWeights()
    smoothing: Share = 0.1
    fidi: FidiSettings = FidiSettings()


class OptimisationSettings(_Settings):
    """Adam and its schedule.

    Attributes:
        epochs: Passes, each with every identity.
        steps: Stop after so many batches instead of ``epochs``; ``None`` for all.
        learning_rate: At the start, after the warm-up.
        weight_decay: Added to the gradient, as Adam (not AdamW) has it.
        schedule: ``milestones`` multiplies by ``decay`` at each one; ``cosine`` falls to 0.
        milestones: Epochs.
        decay: Factor at a milestone.
        warmup: Epochs over which the learning rate rises from a hundredth, linearly by step.
        clip: Largest norm of the whole gradient; ``None`` for any.
        precision: ``bf16`` autocasts, ``fp32`` does not; ``auto`` is bf16 where the device has it
            in hardware.
        compile: Whether the network goes through ``torch.compile``.
    """

    epochs: Count = 100
    steps: Count | None = None
    learning_rate: Positive = 3.5e-4
    weight_decay: NotNegative = 5e-4
    schedule: Literal["milestones", "cosine"] = "milestones"
    milestones: tuple[Count, ...] = (40, 80)
    decay: Annotated[float, Field(gt=0, le=1)] = 0.1
    warmup: NotNegative = 0.0
    clip: Positive | None = 1.0
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    compile: bool = False


class EvaluationSettings(_Settings):
    """When and how query and gallery are ranked while training.

    Attributes:
        every: Epochs between evaluations; 0 for the end only.
        flip: Whether an embedding is the mean with the mirrored image's.
    """

    every: Annotated[int, Field(strict=True, ge=0)] = 10
    flip: bool = False


class TrainConfig(_Settings):
    """A whole training: the same config, manifest and versions give the same weights on a CPU.

    Attributes:
        seed: Seeds the weights, the batches, the augmentation and the dropout.
        network: Which VisNet.
        data: Input size, batches, augmentation.
        losses: What is descended.
        optimisation: How.
        evaluation: What is looked at on the way.
    """

    seed: Annotated[int, Field(strict=True, ge=0, lt=2**63)] = 0
    network: NetworkSettings = NetworkSettings()
    data: DataSettings = DataSettings()
    losses: LossSettings = LossSettings()
    optimisation: OptimisationSettings = OptimisationSettings()
    evaluation: EvaluationSettings = EvaluationSettings()


def load_config(path: Path) -> TrainConfig:
    """Read the ``train:`` section of a pipeline file.

    Raises:
        RecipeError: As `visnet_aug.pipeline_file.load_section`.
    """
    return load_section(path, "train", TrainConfig)


def dump_config(config: TrainConfig) -> str:
    """Write a config as YAML with every setting, defaults included; `load_config` reads it."""
    return dump_section("train", config)
