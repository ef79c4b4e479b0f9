"""The real command, killed for real; ``python -m benchmarks.crash`` does it hundreds of times."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.crash import COPY, tree
from benchmarks.killed import Kill
from visnet_aug.builder.build import build, make_masks
from visnet_aug.builder.folder import METADATA, TABLES
from visnet_aug.builder.lock import hold
from visnet_aug.errors import OutputError
from visnet_aug.masks.compute import SegmenterFactory
from visnet_aug.recipe import Recipe

RECIPE = Recipe(images=47)

SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
from fake_segmenters import Ellipses
from benchmarks.killed import arm
from visnet_aug.cli.main import main
from visnet_aug.builder import build, local
from visnet_aug.masks.compute import SegmenterSource

arm(__name__)
local.CHUNK = 2
build.build.__kwdefaults__["segmenter"] = lambda *_: SegmenterSource("ellipses", Ellipses)
if __name__ == "__main__":
    main()
"""

LAST = rf"/({'|'.join(map(re.escape, (*TABLES, METADATA)))})(\.part)?$"
"""What is written after the last image; tables of shards are in ``test_build_shards.py``."""

SOUGHT = len(TABLES)
"""Changes of those before the first: a remnant of each is removed, if there is one."""

WRITTEN = 2 * (len(TABLES) + 3)
"""Changes after that: each is opened and renamed, and so is one of each folder's metadata."""


@pytest.fixture(scope="module")
def built(
    market: Path, ellipses: SegmenterFactory, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """What an uninterrupted build makes."""
    out = tmp_path_factory.mktemp("built") / "aug"
    build(market, out, recipe=RECIPE, workers=2, segmenter=ellipses)
    return tree(out)


def run(market: Path, kill: Kill) -> tuple[int, str]:
    """Run the build until it dies; return its exit code and errors, whatever outlives it."""
    tests, out = Path(__file__).parents[2], Path(kill.folder)
    script = out.with_name("killed.py")
    script.write_text(SCRIPT.format(tests=str(tests)))
    with out.with_name("err").open("w+") as err:
        options = f"--images 47 --workers 2 --src {market} --out {out}"
        process = subprocess.Popen(
            [sys.executable, str(script), "build", *options.split()],
            env={**kill.environment, "PYTHONPATH": f"{tests.parent}:{tests}/shared"},
            stdout=subprocess.DEVNULL,
            stderr=err,
            start_new_session=True,
        )
        code = process.wait()
        err.seek(0)
        return code, err.read()


def test_killed_in_every_stage_by_turns_a_build_ends_with_the_same_bytes(
    built: dict[str, str], market: Path, ellipses: SegmenterFactory, tmp_path: Path
) -> None:
    rng, out = np.random.default_rng(4), tmp_path / "aug"
    kills = [
        Kill(str(out), "worker", int(rng.integers(4, 24)), "all", "masks"),
        Kill(str(out), "worker", int(rng.integers(4, 20)), "main"),
        Kill(str(out), "worker", int(rng.integers(2, 8)), "self", COPY),
        Kill(str(out), "main", SOUGHT + int(rng.integers(1, WRITTEN + 1)), "all", LAST),
        Kill(str(out), "main", 1, "all", r"\.visnet/manifest\.csv$"),  # as it gets its place
    ]
    for kill in kills:
        code, err = run(market, kill)
        if kill.victims == "self":
            assert code == 8, err
            assert "visnet-aug: error: a worker process died" in err
            assert "Traceback" not in err
        else:
            assert code == -signal.SIGKILL, err
        assert not (out / "manifest.csv").exists()
    result = build(market, out, recipe=RECIPE, workers=2, segmenter=ellipses)
    assert result.masks is not None
    assert result.found > 0
    assert tree(out) == built


def test_a_second_build_into_the_folder_is_refused_and_harms_nothing(
    built: dict[str, str], market: Path, ellipses: SegmenterFactory, tmp_path: Path
) -> None:
    out = tmp_path / "aug"
    with hold(out):
        for command in (build, make_masks):
            with pytest.raises(OutputError, match=r"aug: process \d+ is working in it"):
                command(market, out, recipe=RECIPE, segmenter=ellipses)
        assert sorted(tree(out)) == [".visnet", ".visnet/lock"]
    build(market, out, recipe=RECIPE, workers=1, segmenter=ellipses)
    assert tree(out) == built
