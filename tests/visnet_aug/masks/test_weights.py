"""Weights: found, checked, loaded, refused; nothing touches the network unless asked."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from visnet_aug.errors import RecipeError, WeightsError
from visnet_aug.masks import weights
from visnet_aug.masks.segmenter import Segmenter
from visnet_aug.masks.settings import MaskSettings

TINY_SCALE = {"scales": {"t": [0.33, 0.125, 256]}, "scale": "t"}
SETTINGS = MaskSettings()


def tiny_network(names: dict[int, str], task: str = "segment"):
    """A real, small, untrained Ultralytics network."""
    weights.import_ultralytics()
    import yaml
    from ultralytics.nn.tasks import DetectionModel, SegmentationModel
    from ultralytics.utils import ROOT

    stem, kind = {
        "segment": ("yolov8-seg", SegmentationModel),
        "detect": ("yolov8", DetectionModel),
    }[task]
    description = yaml.safe_load((ROOT / f"cfg/models/v8/{stem}.yaml").read_text())
    description |= {"nc": len(names), **TINY_SCALE}
    network = kind(description, verbose=False)
    network.names = names
    return network


def save_checkpoint(path: Path, names: dict[int, str], task: str = "segment") -> None:
    """Write a checkpoint with the keys and types of Ultralytics' own."""
    import torch

    torch.save({"model": tiny_network(names, task).half(), "train_args": {}}, path)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "visnet" / "weights"


class TestBuiltin:
    def test_is_whole_and_within_its_limits(self):
        info = weights.describe_weights("builtin")
        assert info.problem is None
        assert info.sha256 == weights.BUILTIN_SHA256
        assert info.path.stat().st_size <= 8_000_000

    def test_damage_is_noticed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        damaged = tmp_path / "person.safetensors"
        data = bytearray(weights.BUILTIN_FILE.read_bytes())
        data[len(data) // 2] ^= 1
        damaged.write_bytes(data)
        monkeypatch.setattr(weights, "BUILTIN_FILE", damaged)
        problem = weights.describe_weights("builtin").problem
        assert problem is not None
        assert "checksum" in problem
        with pytest.raises(WeightsError, match="reinstall visnet"):
            Segmenter("builtin", "cpu", SETTINGS)


class TestKey:
    def test_names_weights_and_architecture(self, tmp_path: Path):
        path = tmp_path / "own.safetensors"
        path.write_bytes(b"weights")
        path.with_suffix(".yaml").write_text("input: [128, 64]")
        before = weights.describe_weights(str(path)).key
        path.with_suffix(".yaml").write_text("input: [192, 96]")
        assert weights.describe_weights(str(path)).key != before

    def test_is_refused_for_what_cannot_be_used(self, tmp_path: Path):
        with pytest.raises(WeightsError, match="no such file"):
            _ = weights.describe_weights(str(tmp_path / "absent.pt")).key


class TestPath:
    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("absent.pt", None, "no such file"),
            ("empty.pt", b"", "cannot be loaded"),
            ("text.pt", b"not a checkpoint", "cannot be loaded"),
            ("weights.onnx", b"x", "not .safetensors or .pt"),
            ("alone.safetensors", b"x", "model YAML alone.yaml is missing"),
        ],
    )
    def test_unusable_files(self, tmp_path: Path, name: str, content: bytes | None, message: str):
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(WeightsError, match=message) as error:
            Segmenter(str(path), "cpu", SETTINGS)
        assert "\n" not in str(error.value)

    def test_yaml_of_another_network(self, tmp_path: Path):
        path = tmp_path / "person.safetensors"
        path.write_bytes(weights.BUILTIN_FILE.read_bytes())
        text = weights.BUILTIN_FILE.with_suffix(".yaml").read_text()
        path.with_suffix(".yaml").write_text(text.replace("nc: 1", "nc: 2"))
        with pytest.raises(WeightsError, match="cannot be loaded"):
            Segmenter(str(path), "cpu", SETTINGS)

    def test_checkpoint_takes_the_class_called_person(self, tmp_path: Path):
        path = tmp_path / "own.pt"
        save_checkpoint(path, {0: "bicycle", 1: "person"})
        segmenter = Segmenter(str(path), "cpu", SETTINGS)
        assert segmenter.classes == [1]
        assert len(segmenter.segment([np.zeros((128, 64, 3), np.uint8)])) == 1

    @pytest.mark.parametrize(
        ("names", "task", "message"),
        [
            ({0: "cat", 1: "dog"}, "segment", "no class 'person'; it knows cat, dog"),
            ({0: "person"}, "detect", "a detector has no masks"),
        ],
    )
    def test_checkpoints_that_cannot_find_people(
        self, tmp_path: Path, names: dict[int, str], task: str, message: str
    ):
        path = tmp_path / "other.pt"
        save_checkpoint(path, names, task)
        with pytest.raises(WeightsError, match=message):
            Segmenter(str(path), "cpu", SETTINGS)

    @pytest.mark.parametrize(
        ("classes", "indices", "size"),
        [
            (["person"], [1], weights.OFFICIAL_INPUT),
            ("car", [2], weights.OTHER_INPUT),
            (["truck", "car"], [3, 2], weights.OTHER_INPUT),
        ],
    )
    def test_classes_are_chosen_by_name(
        self, tmp_path: Path, classes: str | list[str], indices: list[int], size: tuple[int, int]
    ):
        path = tmp_path / "own.pt"
        save_checkpoint(path, {0: "bicycle", 1: "person", 2: "car", 3: "truck"})
        settings = MaskSettings.model_validate({"classes": classes})
        segmenter = Segmenter(str(path), "cpu", settings)
        assert (segmenter.classes, segmenter.input_size) == (indices, size)
        (found,) = segmenter.segment([np.zeros((90, 120, 3), np.uint8)])
        assert found.mask is None or found.mask.shape == (90, 120)

    @pytest.mark.parametrize(
        ("classes", "message"),
        [
            (["car"], "no class 'car'; it knows person; choose by masks: classes:"),
            (["persn"], "no class 'persn'; did you mean person"),
        ],
    )
    def test_the_bundled_network_knows_people_alone(self, classes: list[str], message: str):
        info = weights.describe_weights("builtin")
        settings = MaskSettings.model_validate({"classes": classes})
        for ask in (
            lambda: weights.check_classes(info, settings.classes),
            lambda: Segmenter("builtin", "cpu", settings),
        ):
            with pytest.raises(WeightsError, match=message):
                ask()
        weights.check_classes(info, ["person"])

    def test_a_pickle_runs_no_code(self, tmp_path: Path):
        import torch

        torch.save({"model": _Payload(str(tmp_path / "owned"))}, tmp_path / "evil.pt")
        with pytest.raises(WeightsError):
            Segmenter(str(tmp_path / "evil.pt"), "cpu", SETTINGS)
        assert not (tmp_path / "owned").exists()


class _Payload:
    """Unpickles into a file being written, if the loader lets it."""

    def __init__(self, target: str) -> None:
        self.target = target

    def __reduce__(self):
        return (open, (self.target, "w"))


class TestOfficial:
    @pytest.fixture
    def assets(self, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
        """Ultralytics' download, answered by a file made here; returns what was fetched."""
        weights.import_ultralytics()
        from ultralytics.utils import downloads

        fetched: list[Path] = []

        def fetch(file: Path) -> str:
            if not Path(file).exists():  # Ultralytics asks again when it loads a file
                save_checkpoint(file, {0: "person"})
                fetched.append(file)
            return str(file)

        monkeypatch.setattr(downloads, "attempt_download_asset", fetch)
        return fetched

    def test_downloads_once_and_records_the_checksum(self, cache: Path, assets: list[Path]):
        Segmenter("yolov8n-seg.pt", "cpu", SETTINGS)
        Segmenter("yolov8n-seg.pt", "cpu", SETTINGS)
        assert assets == [cache / "yolov8n-seg.pt"]
        recorded = (cache / "yolov8n-seg.pt.sha256").read_text().split()[0]
        assert weights.describe_weights("yolov8n-seg.pt").key == recorded

    def test_a_changed_file_is_refused(self, cache: Path, assets: list[Path]):
        Segmenter("yolov8n-seg.pt", "cpu", SETTINGS)
        with (cache / "yolov8n-seg.pt").open("ab") as stream:
            stream.write(b"x")
        with pytest.raises(WeightsError, match="delete it to download it anew"):
            Segmenter("yolov8n-seg.pt", "cpu", SETTINGS)

    def test_a_failed_download_says_what_to_do(self, cache: Path, monkeypatch: pytest.MonkeyPatch):
        weights.import_ultralytics()
        from ultralytics.utils import downloads

        def fail(file: Path) -> str:
            raise ConnectionError("no route to host")

        monkeypatch.setattr(downloads, "attempt_download_asset", fail)
        with pytest.raises(WeightsError, match=r"no route to host.*give its path"):
            Segmenter("yolov8x-seg.pt", "cpu", SETTINGS)
        assert not (cache / "yolov8x-seg.pt").exists()

    def test_describing_downloads_nothing(self, cache: Path, assets: list[Path]):
        info = weights.describe_weights("yolov8s-seg.pt")
        assert info.problem is not None
        assert "not downloaded yet" in info.problem
        assert assets == []


def test_unknown_device_is_one_line():
    with pytest.raises(RecipeError, match="--device warp9"):
        Segmenter("builtin", "warp9", SETTINGS)


def test_loading_the_bundled_weights_opens_no_connection():
    """Sockets and name look-ups are forbidden in a fresh process, then weights are loaded."""
    program = """
import socket
def forbidden(*args, **kwargs):
    raise SystemExit("network touched")
socket.getaddrinfo = socket.socket.connect = forbidden
from visnet_aug.masks.settings import MaskSettings
from visnet_aug.masks.segmenter import Segmenter
Segmenter(device="cpu")
print("loaded")
"""
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert result.stdout == "loaded\n", result.stderr


def test_loading_changes_nothing_for_others():
    """Ultralytics replaces functions and settings of other libraries; that is undone."""
    program = """
import os
import cv2, numpy, torch
from PIL import Image
def settings():
    return (Image.open, torch.save, cv2.imread, cv2.getNumThreads(), torch.get_num_threads(),
            numpy.get_printoptions(), os.environ.get("OMP_NUM_THREADS"))
before = settings()
from visnet_aug.masks.settings import MaskSettings
from visnet_aug.masks.segmenter import Segmenter
Segmenter(device="cpu")
assert settings() == before, (before, settings())
"""
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    result = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are listed on Linux")
def test_a_process_that_loads_for_one_thread_can_be_forked():
    """Threads of torch that ran already would be missing in the other process, and waited for."""
    program = """
import os
import cv2, numpy  # which have threads of OpenBLAS, and these know how to be forked
before = set(os.listdir("/proc/self/task"))
from visnet_aug.masks.settings import MaskSettings
from visnet_aug.masks.segmenter import Segmenter
segmenter = Segmenter("builtin", "cpu", MaskSettings(), threads=1)
print(len(set(os.listdir("/proc/self/task")) - before), flush=True)
child = os.fork()
segmenter.segment([numpy.zeros((128, 64, 3), numpy.uint8)])
if child == 0:
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    environment = {name: os.environ[name] for name in os.environ if name != "OMP_NUM_THREADS"}
    result = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.stdout == "0\n0\n", result.stderr
