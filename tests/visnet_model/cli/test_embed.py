"""``visnet-embed`` as people call it."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.transforms.v2 import functional as F

from visnet_aug.datasets.images import decode_rgb
from visnet_aug.manifest import COLUMNS, ManifestRow, write_manifest
from visnet_model.cli import embed
from visnet_model.data.augment import normalise
from visnet_model.export.description import Description
from visnet_model.export.network import InferenceNetwork
from visnet_model.export.weights_file import load_exported, write_weights

torch.set_num_threads(1)

Run = Callable[..., tuple[int, str, str]]
Jpeg = Callable[..., bytes]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give an exported network that takes images, which must not be normalised twice."""
    path = tmp_path_factory.mktemp("run") / "visnet.safetensors"
    torch.manual_seed(0)
    network = InferenceNetwork("resnet18", normalise=True)
    write_weights(path, network, Description("resnet18", 64, 32, 512, True, "ab" * 32))
    return path


@pytest.fixture
def folder(tmp_path: Path, jpeg: Jpeg) -> Path:
    """Give a folder of three images, one of them of another size, and a damaged one."""
    folder = tmp_path / "crops"
    (folder / "more").mkdir(parents=True)
    (folder / "b.jpg").write_bytes(jpeg(1))
    (folder / "a.jpg").write_bytes(jpeg(2, (50, 90)))
    (folder / "more" / "c.jpg").write_bytes(jpeg(3))
    (folder / "broken.jpg").write_bytes(jpeg(4)[:200])
    (folder / "list.txt").write_text("not meant")
    return folder


@pytest.fixture
def run(weights: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command line in this process; return exit code, output and error output."""

    def run(*arguments: object) -> tuple[int, str, str]:
        words = ["visnet-embed", "--device", "cpu", *map(str, arguments)]
        if "--checkpoint" not in words:
            words += ["--checkpoint", str(weights)]
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as left:
            embed.main()
        out, err = capsys.readouterr()
        return int(left.value.code or 0), out, err

    return run


def read(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


def expected(weights: Path, path: Path) -> np.ndarray:
    """Embed one image in the plainest way."""
    network = load_exported(weights).network
    network.normalisation = nn.Identity()
    image = torch.from_numpy(decode_rgb(path.read_bytes())).permute(2, 0, 1)[None]
    with torch.inference_mode():
        embedding: np.ndarray = network(normalise(F.resize(image, [64, 32], antialias=True)))[
            0
        ].numpy()
    return embedding


def test_folder_to_unit_embeddings_with_their_names(
    run: Run, weights: Path, folder: Path, tmp_path: Path
) -> None:
    to = tmp_path / "crops.npz"
    code, out, err = run(folder, "--to", to, "--batch-size", "2")
    assert code == 0
    assert out == f"{to}: 3 embeddings of 512; 1 images left out\n"
    assert f"left out {folder}/broken.jpg: truncated: " in err
    assert "ignored 1 files" in err
    file = read(to)
    assert set(file) == {"embeddings", "names", "network_sha256"}
    wanted = [folder / "a.jpg", folder / "b.jpg", folder / "more" / "c.jpg"]
    assert file["names"].tolist() == [str(path) for path in wanted]
    assert file["network_sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert file["embeddings"].dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(file["embeddings"], axis=1), 1, atol=1e-6)
    for found, path in zip(file["embeddings"], wanted, strict=True):
        np.testing.assert_allclose(found, expected(weights, path), rtol=0, atol=1e-6)
    first = to.read_bytes()
    run(folder / "more", folder / "b.jpg", folder, "--to", to, "--batch-size", "2")
    assert to.read_bytes() == first  # whatever the order and repetitions


def test_stopping_at_the_first_unusable_image(run: Run, folder: Path, tmp_path: Path) -> None:
    to = tmp_path / "crops.npz"
    to.write_bytes(b"an earlier one")
    code, out, err = run(folder, "--to", to, "--on-error", "stop")
    assert (code, out) == (3, "")
    assert f"visnet-embed: error: {folder}/broken.jpg: truncated: " in err
    assert to.read_bytes() == b"an earlier one"
    assert not list(tmp_path.glob("*.part"))


def write_set(root: Path, jpeg: Jpeg) -> Path:
    rows = []
    for seed, (split, pid) in enumerate([("train", 1), ("query", 2), ("gallery", -1)]):
        data = jpeg(seed)
        (root / f"{split}.jpg").write_bytes(data)
        values: dict[str, Any] = dict.fromkeys(COLUMNS)
        rows.append(
            ManifestRow(
                **values
                | {
                    "path": f"{split}.jpg",
                    "split": split,
                    "pid": pid,
                    "camid": 3,
                    "kind": "original",
                    "source": f"{split}.jpg",
                    "width": 32,
                    "height": 64,
                    "sha256": hashlib.sha256(data).hexdigest(),
                }
            )
        )
    write_manifest(root / "manifest.csv", rows)
    return root / "manifest.csv"


@pytest.mark.parametrize("splits", [["train", "query", "gallery"], ["query"], ["gallery", "query"]])
def test_manifest_gives_identities_and_cameras(
    run: Run, tmp_path: Path, jpeg: Jpeg, splits: list[str]
) -> None:
    manifest = write_set(tmp_path, jpeg)
    options = [word for split in splits for word in ("--split", split)] if len(splits) < 3 else []
    code, _, _ = run("--manifest", manifest, *options, "--to", tmp_path / "x.npz")
    assert code == 0
    file = read(tmp_path / "x.npz")
    order = [split for split in ("train", "query", "gallery") if split in splits]
    assert file["splits"].tolist() == order
    assert file["names"].tolist() == [f"{split}.jpg" for split in order]
    assert file["pids"].tolist() == [{"train": 1, "query": 2, "gallery": -1}[s] for s in order]
    assert file["camids"].tolist() == [3] * len(order)
    assert len(file["embeddings"]) == len(order)


def test_image_missing_from_a_set_is_left_out_of_all_columns(
    run: Run, tmp_path: Path, jpeg: Jpeg
) -> None:
    manifest = write_set(tmp_path, jpeg)
    (tmp_path / "train.jpg").unlink()
    code, _, err = run("--manifest", manifest, "--to", tmp_path / "x.npz")
    assert code == 0
    assert "left out train.jpg: unreadable: No such file" in err
    assert read(tmp_path / "x.npz")["pids"].tolist() == [2, -1]


def test_images_in_shards_are_embedded_alike(
    run: Run, tmp_path: Path, jpeg: Jpeg, into_shards: Callable[[Path, Path], Path]
) -> None:
    manifest = write_set(tmp_path, jpeg)
    (tmp_path / "shards").mkdir()
    sharded = into_shards(manifest, tmp_path / "shards")
    for given, name in ((manifest, "files.npz"), (sharded, "shards.npz")):
        assert run("--manifest", given, "--to", tmp_path / name)[0] == 0
    files, shards = read(tmp_path / "files.npz"), read(tmp_path / "shards.npz")
    assert np.array_equal(files["embeddings"], shards["embeddings"])
    assert shards["names"].tolist() == ["b.tar/train.jpg", "a.tar/query.jpg", "a.tar/gallery.jpg"]

    (tmp_path / "shards/b.tar").unlink()
    code, _, err = run("--manifest", sharded, "--to", tmp_path / "x.npz")
    assert code == 0
    assert "left out b.tar/train.jpg: unreadable: No such file" in err


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        ("--to {tmp}/x.npz", 2, "Give IMAGES or --manifest"),
        ("{folder} --manifest m.csv --to {tmp}/x.npz", 2, "Give IMAGES or --manifest"),
        ("{folder} --split query --to {tmp}/x.npz", 2, "--split needs --manifest"),
        ("{folder} --to {tmp}/no/x.npz", 6, "its folder .*no does not exist"),
        ("{folder} --to {folder}", 6, "is a folder; give the name of a file"),
        ("{tmp}/no --to {tmp}/x.npz", 3, "no such file or folder"),
        ("{folder}/broken.jpg --to {tmp}/x.npz", 3, "none of 1 images is usable"),
        ("{folder} --to {tmp}/x.npz --checkpoint {tmp}/no.pt", 10, "no such checkpoint"),
        ("{folder} --to {tmp}/x.npz --checkpoint {tmp}/no.safetensors", 10, "no such file"),
        ("{folder} --to {tmp}/x.npz --checkpoint {folder}/a.jpg", 10, r"a\.jpg: "),
        ("--manifest {tmp}/no.csv --to {tmp}/x.npz", 7, "cannot be read"),
        ("--manifest {manifest} --split val --to {tmp}/x.npz", 3, "no images of split val; it has"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(
    run: Run, folder: Path, tmp_path: Path, jpeg: Jpeg, arguments: str, code: int, error: str
) -> None:
    (tmp_path / "set").mkdir()
    manifest = write_set(tmp_path / "set", jpeg)
    words = arguments.format(tmp=tmp_path, folder=folder, manifest=manifest).split()
    found, out, err = run(*words)
    assert (found, out) == (code, "")
    assert re.search(rf"^visnet-embed: error: .*{error}", err, re.MULTILINE)
    assert err.count("error") == 1
    assert not list(tmp_path.glob("x.npz*"))


def test_network_that_diverged_is_refused(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverged(network: InferenceNetwork, images: torch.Tensor) -> torch.Tensor:
        return torch.full((len(images), 512), torch.nan)

    monkeypatch.setattr(InferenceNetwork, "forward", diverged)
    code, _, err = run(folder, "--to", tmp_path / "x.npz")
    assert code == 11
    assert "a.jpg: its embedding has norm nan instead of 1, like 3 of 3" in err
    assert not list(tmp_path.glob("x.npz*"))


def test_process_of_its_own(weights: Path, folder: Path) -> None:
    command = [sys.executable, "-m", "visnet_model.cli.embed", ".", "--to", "../out.npz"]
    result = subprocess.run(
        [*command, "--checkpoint", str(weights), "--device", "cpu"],
        capture_output=True,
        text=True,
        cwd=folder,
        check=True,
        env={"PYTHONPATH": str(Path(embed.__file__).parents[2]), "OMP_NUM_THREADS": "1"},
    )
    assert result.stdout == "../out.npz: 3 embeddings of 512; 1 images left out\n"
    names = read(folder.parent / "out.npz")["names"].tolist()
    assert names == ["a.jpg", "b.jpg", "more/c.jpg"]


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['visnet-embed', '--help']\n"
        "from visnet_model.cli.embed import main\n"
        "try: main()\n"
        "finally: print(sorted(sys.modules), file=sys.stderr)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert re.search(r"Examples:\n +visnet-embed --checkpoint", result.stdout)
    assert re.search(r"^ +embeddings +float32 N×D", result.stdout, re.MULTILINE)
    loaded = {name.split(".")[0] for name in eval(result.stderr)}
    assert not loaded & {"torch", "numpy", "PIL", "pydantic", "rich", "safetensors"}
