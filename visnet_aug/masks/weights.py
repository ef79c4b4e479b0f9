"""Segmenter weights: bundled, a local file, or an official name; identified by their checksum.

There are three kinds:

``builtin``
    The one-class network in this package (``weights/person.safetensors`` with its model YAML).
    ``weights/README.md`` says what it was trained on and how good it is.
a path
    ``*.safetensors`` with a model YAML of the same stem next to it, or an Ultralytics ``*.pt``. A
    ``.pt`` is a pickle: it is loaded with Ultralytics' restricted loader, which only builds known
    model classes and runs no code from the file.
an official name: ``yolov8n-seg.pt``, ``yolo11n-seg.pt``, ``yolo26n-seg.pt`` and larger ones
    Downloaded once by Ultralytics into the user's cache. Its checksum is written next to it and
    checked at every later use. Nothing else in visnet-aug uses the internet.
"""

from __future__ import annotations

import difflib
import importlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from visnet_aug.errors import WeightsError
from visnet_aug.files import sha256_of_file
from visnet_aug.masks.quality import QUALITY, QualityModel
from visnet_aug.masks.settings import PERSON

if TYPE_CHECKING:
    from torch import nn

BUILTIN = "builtin"
BUILTIN_FILE = Path(__file__).parent / "weights" / "person.safetensors"
BUILTIN_SHA256 = "80327cd0029d2a62188c7ed8605f2eaab40107e189fa98f1b9ef0cf0262e1c50"

OFFICIAL_NAME = re.compile(r"yolo(?:v8|11|26)[nsmlx]-seg\.pt")
OFFICIAL_INPUT = (256, 128)
"""Input (height, width) of networks whose files do not state it. Networks trained at 640 pixels on
whole scenes need people larger than 128 pixels; 640 itself would take 25 times as long."""

OTHER_INPUT = (256, 256)
"""The same for classes other than people, whose crops are not upright."""


@dataclass(frozen=True, slots=True)
class WeightsInfo:
    """The weights that a name stands for.

    Attributes:
        name: The name as the user wrote it.
        path: The file, whether it exists or not.
        sha256: Its checksum, or ``None`` if there is no file yet.
        problem: Why it cannot be used and what to do, or ``None``.
    """

    name: str
    path: Path
    sha256: str | None
    problem: str | None

    @property
    def key(self) -> str:
        """Identifies the segmenter: the checksums of the weights and of the model YAML, if any.

        Raises:
            WeightsError: The weights cannot be used.
        """
        sha256 = self.checked_sha256()
        if self.path.suffix != ".safetensors":
            return sha256
        return f"{sha256}+{sha256_of_file(self.path.with_suffix('.yaml'))}"

    def checked_sha256(self) -> str:
        """Return the checksum of weights that can be used.

        Raises:
            WeightsError: The weights cannot be used.
        """
        if self.sha256 is None or self.problem is not None:
            raise WeightsError(f"--weights {self.name}: {self.problem}")
        return self.sha256


def describe_weights(name: str) -> WeightsInfo:
    """Find weights and check their checksum, without loading, downloading or raising."""
    path = _locate(name)
    if not path.is_file():
        return WeightsInfo(name, path, None, _why_missing(name, path))
    sha256 = sha256_of_file(path)
    expected = _expected_sha256(name, path)
    if expected is not None and sha256 != expected:
        remedy = "reinstall visnet" if name == BUILTIN else "delete it to download it again"
        problem = f"{path}: checksum {sha256[:12]}… is not the known {expected[:12]}…; {remedy}"
        return WeightsInfo(name, path, sha256, problem)
    if path.suffix == ".safetensors" and not path.with_suffix(".yaml").is_file():
        problem = f"{path}: its model YAML {path.stem}.yaml is missing; put it next to the weights"
        return WeightsInfo(name, path, sha256, problem)
    if path.suffix not in (".safetensors", ".pt"):
        problem = f"{path}: not .safetensors or .pt; give weights in one of these formats"
        return WeightsInfo(name, path, sha256, problem)
    return WeightsInfo(name, path, sha256, None)


@dataclass(frozen=True, slots=True)
class LoadedNetwork:
    """A network and what a segmenter must know about it.

    Attributes:
        network: A fused Ultralytics ``SegmentationModel``, on the CPU.
        input_size: Height and width in pixels that every image is resized to.
        classes: Indices of the classes to look for.
        quality: Predicts the quality of its masks; ``None`` if the weights contain no such model.
    """

    network: nn.Module
    input_size: tuple[int, int]
    classes: Sequence[int]
    quality: QualityModel | None = None


def load_network(
    name: str, wanted: Sequence[str] = PERSON, *, threads: int | None = None
) -> LoadedNetwork:
    """Load weights into the network that they belong to.

    Args:
        name: ``builtin``, a path, or an official name, which is downloaded if necessary.
        wanted: Names of the classes to look for.
        threads: Number of torch's threads on a CPU, for the whole process; ``None`` leaves it as
            it is.

    Raises:
        WeightsError: The weights are missing, damaged, no network with masks, or do not know the
            classes.
    """
    if OFFICIAL_NAME.fullmatch(name) and not _locate(name).is_file():
        download_weights(name)
    info = describe_weights(name)
    info.checked_sha256()
    import_ultralytics()
    if threads is not None:  # before anything is computed: a process with threads cannot fork
        import torch

        torch.set_num_threads(threads)
    try:
        if info.path.suffix == ".safetensors":
            network, size, names, quality = _load_safetensors(info.path)
        else:
            network, size, names = _load_checkpoint(info.path)
            quality = None
        classes = _find_classes(names, wanted, f"--weights {name}: {info.path}")
    except WeightsError:
        raise
    except Exception as error:
        # Any error inside the loaders means a damaged or foreign file.
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise WeightsError(
            f"--weights {name}: {info.path} cannot be loaded ({first}); give weights of YOLOv8, "
            "YOLO11 or YOLO26 with masks (-seg)"
        ) from error
    default = OFFICIAL_INPUT if tuple(wanted) == PERSON else OTHER_INPUT
    return LoadedNetwork(network, size or default, classes, quality)


def silence_ultralytics() -> None:
    """Keep Ultralytics offline and quiet; call this before its first import.

    On import, Ultralytics resolves host names, reports usage to Google Analytics and installs
    missing packages, unless these variables are set.
    """
    os.environ["YOLO_OFFLINE"] = "true"
    os.environ["YOLO_AUTOINSTALL"] = "false"
    os.environ.setdefault("YOLO_VERBOSE", "false")
    os.environ.setdefault("YOLO_CONFIG_DIR", str(_cache()))


def import_ultralytics() -> None:
    """Import Ultralytics, and undo what its import changes for other code.

    It replaces ``PIL.Image.open`` (with one that wants to install a package for every unreadable
    file) and ``torch.save``, turns off OpenCV's threads, sets the print options of NumPy and torch,
    and limits OpenMP to one thread, which would halve the segmenter's speed on two cores.
    """
    silence_ultralytics()
    import cv2
    import numpy as np
    import torch
    from PIL import Image

    opened, saved = Image.open, torch.save
    threads, printing = cv2.getNumThreads(), np.get_printoptions()
    openmp = os.environ.get("OMP_NUM_THREADS")
    importlib.import_module("ultralytics.nn.tasks")
    Image.open, torch.save = opened, saved
    cv2.setNumThreads(threads)
    np.set_printoptions(**printing)
    torch.set_printoptions(profile="default")  # type: ignore[no-untyped-call]
    if openmp is None:
        os.environ.pop("OMP_NUM_THREADS", None)


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "visnet"


def _locate(name: str) -> Path:
    if name == BUILTIN:
        return BUILTIN_FILE
    if OFFICIAL_NAME.fullmatch(name) and not Path(name).exists():
        return _cache() / "weights" / name
    return Path(name).expanduser()


def _why_missing(name: str, path: Path) -> str:
    if name == BUILTIN:
        return f"{path} is missing from the installed package; reinstall visnet"
    if OFFICIAL_NAME.fullmatch(name):
        return f"not downloaded yet; visnet-aug mask or build --weights {name} downloads it"
    return f"{path}: no such file; give builtin, a path, or a name like yolov8n-seg.pt"


def _expected_sha256(name: str, path: Path) -> str | None:
    if name == BUILTIN:
        return BUILTIN_SHA256
    record = path.with_name(path.name + ".sha256")
    if path.parent == _cache() / "weights" and record.is_file():
        return record.read_text(encoding="ascii").split()[0]
    return None


def download_weights(name: str) -> None:
    """Download an official file into the cache by Ultralytics, and record its checksum.

    Raises:
        WeightsError: It cannot be downloaded.
    """
    import_ultralytics()
    path = _locate(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    from ultralytics.utils.downloads import attempt_download_asset

    os.environ["YOLO_OFFLINE"] = "false"
    try:
        attempt_download_asset(path)
    except Exception as error:
        # Network errors have many classes; to the user they all mean the same.
        path.unlink(missing_ok=True)
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise WeightsError(
            f"--weights {name}: download failed ({first}); download it elsewhere and give its "
            "path, or use --weights builtin"
        ) from error
    finally:
        os.environ["YOLO_OFFLINE"] = "true"
    if not path.is_file():
        raise WeightsError(
            f"--weights {name}: download failed; download it elsewhere and give its path, "
            "or use --weights builtin"
        )
    record = path.with_name(name + ".sha256")
    record.write_text(f"{sha256_of_file(path)}  {name}\n", encoding="ascii")


def check_classes(info: WeightsInfo, classes: Sequence[str]) -> None:
    """Refuse classes that weights do not know, as far as that is known without loading them.

    Raises:
        WeightsError: The weights do not know one of the classes.
    """
    import yaml

    if info.problem is not None or info.path.suffix != ".safetensors":
        return
    try:
        description = yaml.safe_load(info.path.with_suffix(".yaml").read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return  # loading them raises the error
    if isinstance(description, Mapping):
        _find_classes(_names(description), classes, f"--weights {info.name}: {info.path}")


def _find_classes(names: Sequence[str], classes: Sequence[str], where: str) -> list[int]:
    """Return the indices of classes.

    Raises:
        WeightsError: There is no class with one of the names.
    """
    for name in classes:
        if name not in names:
            close = difflib.get_close_matches(name, names, n=1)
            known = f"did you mean {close[0]}?" if close else f"it knows {', '.join(names[:5])}"
            more = f" and {len(names) - 5} more" if len(names) > 5 and not close else ""
            raise WeightsError(
                f"{where}: no class {name!r}; {known}{more}; set masks: classes: in the "
                "recipe, or give weights that know it, such as yolov8n-seg.pt for COCO's classes"
            )
    return [names.index(name) for name in classes]


def _names(description: Mapping[str, Any]) -> list[str]:
    """Return the class names of a model YAML, in the order of their indices."""
    names = description.get("names", PERSON)
    return [str(name) for name in (names.values() if isinstance(names, Mapping) else names)]


def _load_safetensors(
    path: Path,
) -> tuple[nn.Module, tuple[int, int] | None, list[str], QualityModel | None]:
    """Build the network of the YAML next to ``path``, fuse it, and load the weights into it.

    Tensors named ``quality.*`` are the model that predicts the quality of its masks.
    """
    import yaml
    from safetensors.torch import load_file
    from ultralytics.nn.tasks import SegmentationModel

    description: dict[str, Any] = yaml.safe_load(path.with_suffix(".yaml").read_text("utf-8"))
    network = SegmentationModel(description, verbose=False).eval().fuse(verbose=False)
    # Stored as fp16 to halve the package; the segmenter chooses the format it computes in.
    state = {name: tensor.float() for name, tensor in load_file(path).items()}
    arrays = {
        name.removeprefix(QUALITY): state.pop(name).numpy()
        for name in list(state)
        if name.startswith(QUALITY)
    }
    network.load_state_dict(state, strict=True)
    height, width = description.get("input") or (0, 0)
    size = (int(height), int(width)) if height else None
    quality = QualityModel.from_arrays(arrays) if arrays else None
    return network, size, _names(description), quality


def _load_checkpoint(path: Path) -> tuple[nn.Module, tuple[int, int] | None, list[str]]:
    """Load an Ultralytics checkpoint through its restricted unpickler."""
    from ultralytics.nn.tasks import SegmentationModel, torch_safe_load

    checkpoint, _ = torch_safe_load(path, safe_only=True)
    network = checkpoint.get("ema") or checkpoint.get("model")
    if not isinstance(network, SegmentationModel):
        raise WeightsError(f"{path}: holds no segmentation network (a detector has no masks)")
    fused: nn.Module = network.float().eval().fuse(verbose=False)
    return fused, None, _names({"names": dict(sorted(network.names.items()))})
