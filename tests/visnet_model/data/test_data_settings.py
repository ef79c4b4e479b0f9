"""Validation of the data settings."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from visnet_model.data.settings import AugmentationSettings, DataSettings


def test_defaults_are_the_papers() -> None:
    data = DataSettings()
    assert (data.height, data.width, data.identities, data.num_instances) == (256, 128, 8, 12)
    assert data.augmentation.model_dump() == {
        "padding": 10,
        "flip": 0.5,
        "brightness": 0.2,
        "contrast": 0.15,
        "saturation": 0.15,
        "hue": 0.1,
        "erasing": 0.5,
        "erasing_area": (0.02, 0.4),
        "erasing_aspect": (0.3, 3.3),
    }


@pytest.mark.parametrize(
    "values",
    [
        {"padding": -1},
        {"flip": 1.5},
        {"brightness": -0.1},
        {"contrast": float("inf")},
        {"hue": 0.6},
        {"erasing_area": (0.4, 0.02)},
        {"erasing_area": (0.0, 1.2)},
        {"erasing_aspect": (0.0, 1.0)},
        {"colour": 1},
    ],
)
def test_nonsense_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        AugmentationSettings(**values)


def test_settings_are_light() -> None:
    code = "import sys, visnet_model.data.settings; print({'torch', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
