from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from visnet_aug.errors import RecipeError
from visnet_aug.pipeline_file import parse_section
from visnet_model.config import TrainConfig, dump_config, load_config

PIPELINES = Path(__file__).parents[2] / "pipelines"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("build: {}", "t.yaml: no train: section with settings under it"),
        ("train:\n  sed: 1", "t.yaml:2: train.sed: unknown key 'sed'; did you mean seed?"),
        (
            "train:\n  network: {backbone: resnet101}",
            "t.yaml:2: train.network.backbone: input should be 'resnet50', 'resnet34' or "
            "'resnet18', got 'resnet101'",
        ),
        (
            "train:\n  losses:\n    weights: {identity: 0, fidi: 0, semantic: 0}",
            "t.yaml:3: train.losses.weights: all losses are switched off: set a weight above 0",
        ),
        (
            "train:\n  losses: {fidi: {alpha: 1}}",
            "train.losses.fidi.alpha: input should be greater",
        ),
        ("train:\n  optimisation: {epochs: 0}", "train.optimisation.epochs: input should be"),
        ("train:\n  optimisation: {learning_rate: .nan}", "train.optimisation.learning_rate: "),
        ("train:\n  data: {height: 8}", "train.data.height: input should be greater"),
    ],
)
def test_a_bad_config_is_one_line_with_the_place(text: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        parse_section(text, "train", TrainConfig, "t.yaml")
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_config_survives_being_written_out(tmp_path: Path) -> None:
    config = TrainConfig.model_validate(
        {
            "seed": 7,
            "data": {"height": 64, "augmentation": {"erasing_area": [0.1, 0.2]}},
            "optimisation": {"steps": 5, "clip": None, "milestones": [1, 2, 3]},
        }
    )
    path = tmp_path / "config.yaml"
    path.write_text(dump_config(config))
    assert load_config(path) == config


def test_the_default_pipeline_is_the_default_config_written_out() -> None:
    path = PIPELINES / "market1501.yaml"
    assert load_config(path) == TrainConfig()
    train = "train:" + path.read_text().split("\ntrain:")[1]
    settings = [line.split(" #")[0].rstrip() for line in train.splitlines()]
    assert [line for line in settings if line] == dump_config(TrainConfig()).splitlines()


def test_the_published_pipeline_trains_as_the_default_does() -> None:
    assert load_config(PIPELINES / "market1501-published.yaml") == TrainConfig()


def test_the_defaults_are_the_papers() -> None:
    config = TrainConfig()
    data, optimisation = config.data, config.optimisation
    assert (data.height, data.width, data.identities, data.num_instances) == (256, 128, 8, 12)
    assert (optimisation.learning_rate, optimisation.weight_decay) == (3.5e-4, 5e-4)
    assert (optimisation.milestones, optimisation.decay) == ((40, 80), 0.1)
    assert (optimisation.epochs, optimisation.clip) == (100, 1.0)
    assert (config.losses.fidi.alpha, config.losses.fidi.beta) == (1.05, 0.5)
    assert config.network.init == "random"


def test_reading_configs_is_light() -> None:
    code = (
        "import sys; from visnet_model.config import TrainConfig, dump_config; "
        "dump_config(TrainConfig()); "
        "print(*{'numpy', 'torch', 'cv2', 'PIL', 'matplotlib'} & set(sys.modules))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == ""
