"""What to train: one frozen config, the ``train:`` section of a pipeline file.

It holds every setting that affects the trained weights, besides the manifest. What only affects how
the work is done (device, number of processes, where images are kept) is not in it. The defaults are
the paper's; `losses.fidi` gives the reasons for FIDI's normalisation and scale, which the paper
does not specify.
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
    """The network.

    Attributes:
        backbone: ResNet50 in the paper; the others for small machines.
        dropout: Dropout probability in the semantic head.
        init: Initial weights of the backbone: ``random``, ``imagenet``, or a file with a ResNet's
            state dict.
    """

    backbone: Literal["resnet50", "resnet34", "resnet18"] = "resnet50"
    dropout: Share = 0.1
    init: Annotated[str, Field(min_length=1)] = "random"


class FidiSettings(_Settings):
    """Arguments of the FIDI loss; `losses.fidi.FidiLoss` gives the reasons for the defaults.

    Attributes:
        alpha: Bounds the loss of a pair by ``log(alpha / (alpha - 1))``.
        beta: How fast similarity falls with distance.
        normalisation: ``unit`` compares directions, as the evaluation does; ``none`` compares the
            embeddings as they are.
        scale: Factor of the distance.
    """

    alpha: Annotated[float, Field(gt=1, allow_inf_nan=False)] = 1.05
    beta: Positive = 0.5
    normalisation: Literal["unit", "none"] = "unit"
    scale: Positive = 4.0


class LossWeights(_Settings):
    """The weight of each loss; 0 switches a loss off.

    Dynamic weighting only distinguishes 0 from everything else.

    Attributes:
        identity: Cross-entropy of the identity classifier.
        fidi: The pairwise loss: which images show the same person.
        semantic: Cross-entropy of the semantic head: which body part each location shows, by
            pseudo-labels.
    """

    identity: NotNegative = 1.0
    fidi: NotNegative = 1.0
    semantic: NotNegative = 1.0

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not any(self.model_dump().values()):
            raise ValueError("all losses are switched off: set a weight above 0")
        return self


class LossSettings(_Settings):
    """The losses.

    Attributes:
        weighting: ``dynamic`` weight averaging (paper II-F), or ``fixed``: the ``weights`` as they
            are.
        weights: Weight of each loss.
        smoothing: Label smoothing of the identity and the semantic loss.
        fidi: Arguments of the pairwise loss.
    """

    weighting: Literal["dynamic", "fixed"] = "dynamic"
    weights: LossWeights = LossWeights()
    smoothing: Share = 0.1
    fidi: FidiSettings = FidiSettings()


class OptimisationSettings(_Settings):
    """Adam and its learning-rate schedule.

    Attributes:
        epochs: Number of epochs; each contains every identity.
        steps: Number of batches after which to stop, instead of ``epochs``; ``None`` for no limit.
        learning_rate: Initial learning rate, after the warm-up.
        weight_decay: L2 penalty, added to the gradient as in Adam (not AdamW).
        schedule: ``milestones`` multiplies the learning rate by ``decay`` at each milestone;
            ``cosine`` lowers it to 0.
        milestones: Epochs at which the learning rate decays.
        decay: Factor at each milestone.
        warmup: Epochs over which the learning rate rises linearly, by step, from 1 % to 100 %.
        clip: Maximum norm of the whole gradient; ``None`` for no clipping.
        precision: ``fp32``, ``bf16`` (autocast), or ``auto``: bf16 where the device computes in it.
        compile: Whether to compile the network with ``torch.compile``.
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
    """When and how to evaluate on query and gallery during the training.

    Attributes:
        every: Epochs between evaluations; 0 evaluates at the end only.
        flip: Whether to average an embedding with that of the mirrored image.
    """

    every: Annotated[int, Field(strict=True, ge=0)] = 10
    flip: bool = False


class TrainConfig(_Settings):
    """A whole training: on a CPU, the same config, manifest and versions give the same weights.

    It is immutable. Unknown keys and values out of range raise pydantic's ``ValidationError``.

    Attributes:
        seed: Seeds weights, batches, augmentation and dropout.
        network: The network.
        data: Input size, batches and augmentation.
        losses: The losses and their weights.
        optimisation: Optimiser, learning rate and length.
        evaluation: Evaluations during the training.

    Examples:
        >>> from visnet_model import TrainConfig
        >>> config = TrainConfig.model_validate(
        ...     {"network": {"backbone": "resnet18"}, "data": {"num_instances": 4}}
        ... )
        >>> config.data.identities, config.data.num_instances
        (8, 4)
    """

    seed: Annotated[int, Field(strict=True, ge=0, lt=2**63)] = 0
    network: NetworkSettings = NetworkSettings()
    data: DataSettings = DataSettings()
    losses: LossSettings = LossSettings()
    optimisation: OptimisationSettings = OptimisationSettings()
    evaluation: EvaluationSettings = EvaluationSettings()


def load_config(path: Path) -> TrainConfig:
    """Read the ``train:`` section of a pipeline file.

    Args:
        path: The file, or the name of a packaged recipe.

    Raises:
        RecipeError: As `visnet_aug.pipeline_file.load_section`.
    """
    return load_section(path, "train", TrainConfig)


def dump_config(config: TrainConfig) -> str:
    """Write a config as YAML with all settings, defaults included; `load_config` reads it."""
    return dump_section("train", config)
