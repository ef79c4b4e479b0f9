from __future__ import annotations

import platform

import pytest
import torch

from visnet_aug.errors import RecipeError
from visnet_aug.hardware import choose_device, computes_in_bf16


@pytest.mark.parametrize(
    ("machine", "onednn", "avx512_bf16", "expected"),
    [
        ("x86_64", False, False, False),  # AVX2
        ("x86_64", True, False, False),  # AVX-512 without bf16: oneDNN emulates it
        ("AMD64", True, False, False),  # the same, as Windows says it
        ("x86_64", True, True, True),  # Zen 4, Cooper Lake; Sapphire Rapids, with AMX
        ("aarch64", True, False, True),  # Neoverse V1: oneDNN asked for Arm's BF16 itself
        ("aarch64", False, False, False),  # Neoverse N1
    ],
)
def test_bf16_on_processors(
    machine: str,
    onednn: bool,
    avx512_bf16: bool,
    expected: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: onednn)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512_bf16)
    assert computes_in_bf16(torch.device("cpu")) is expected


@pytest.mark.parametrize("native", [True, False])
def test_bf16_on_gpus_without_emulation(native: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def is_bf16_supported(including_emulation: bool = True) -> bool:
        return native or including_emulation

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", is_bf16_supported)
    assert computes_in_bf16(torch.device("cuda:0")) is native


def test_this_processor_is_asked_without_patches() -> None:
    """The functions of torch that are asked exist in the installed version."""
    assert computes_in_bf16(torch.device("cpu")) in (True, False)
    assert not torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()


def test_auto_is_the_cpu_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == choose_device("cpu") == torch.device("cpu")


def test_a_gpu_has_its_index(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch.cuda.set_device, in the loader's thread, refuses a device without one."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    monkeypatch.setattr(torch, "empty", lambda *_, **__: None)
    assert choose_device("auto") == choose_device("cuda") == torch.device("cuda:1")
    assert choose_device("cuda:0") == torch.device("cuda:0")


@pytest.mark.parametrize("name", ["warp9", "cuda:77", "", "cpu:x"])
def test_a_device_that_is_not_there_is_one_line(name: str) -> None:
    with pytest.raises(RecipeError, match=r"try auto, cpu, cuda or cuda:0$") as caught:
        choose_device(name)
    assert str(caught.value).startswith(f"--device {name}: ")
    assert "\n" not in str(caught.value)
