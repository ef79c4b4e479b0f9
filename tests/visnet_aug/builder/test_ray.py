"""Builds on a Ray that runs on this machine; skipped where Ray is not installed."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from fake_segmenters import Loud, Unloadable

from benchmarks.crash import tree
from visnet_aug.builder import ray as engines
from visnet_aug.builder.build import Observer, build
from visnet_aug.builder.engine import Context
from visnet_aug.builder.journal import WrittenFile
from visnet_aug.builder.plan import Kept
from visnet_aug.builder.ray import RayEngine
from visnet_aug.datasets import read_dataset
from visnet_aug.errors import DatasetError, EngineError, OutputError, WeightsError, WorkerError
from visnet_aug.masks import compute
from visnet_aug.masks.compute import SegmenterFactory, SegmenterSource
from visnet_aug.progress import Advance
from visnet_aug.recipe import Recipe

RECIPE = Recipe(images=47)
STORE = 80 * 2**20  # the least that Ray takes
TESTS = Path(__file__).parents[2]
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "PYTHONPATH": f"{TESTS.parent}:{TESTS}/shared",  # of Ray's workers, for the segmenters
}
TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}

ray: Any = pytest.importorskip("ray", reason="Ray is not installed")


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """A Ray of two processors that this process is connected to."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        ray.init(
            "local",
            num_cpus=2,
            object_store_memory=STORE,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.CRITICAL,
        )
        yield
        ray.shutdown()


@pytest.fixture(scope="module")
def built(
    market: Path, ellipses: SegmenterFactory, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """What the local engine makes."""
    out = tmp_path_factory.mktemp("built") / "aug"
    build(market, out, recipe=RECIPE, workers=1, segmenter=ellipses)
    return tree(out)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "CHUNK", 3)
    monkeypatch.setattr(compute, "BATCH", 3)


@pytest.fixture
def items(market: Path) -> list[Kept]:
    return [Kept(record, f"{n}.jpg") for n, record in enumerate(read_dataset(market).records)]


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("workers", [None, 1])
def test_the_bytes_are_those_of_the_local_engine(
    built: dict[str, str],
    market: Path,
    ellipses: SegmenterFactory,
    tmp_path: Path,
    workers: int | None,
) -> None:
    out = tmp_path / "aug"
    build(market, out, recipe=RECIPE, workers=workers, segmenter=ellipses, engine=RayEngine)
    assert tree(out) == built


@pytest.mark.usefixtures("cluster")
def test_shards_are_those_of_the_local_engine(
    market: Path, ellipses: SegmenterFactory, tmp_path: Path
) -> None:
    pytest.importorskip("webdataset", reason="webdataset is not installed")
    options: dict[str, Any] = {"workers": 1, "shards": 4}
    build(market, tmp_path / "local", recipe=RECIPE, **options, segmenter=ellipses)
    build(market, tmp_path / "ray", recipe=RECIPE, **options, segmenter=ellipses, engine=RayEngine)
    assert tree(tmp_path / "ray") == tree(tmp_path / "local")


class Watching(Observer):
    """Acts once, as soon as something of a stage is done."""

    def __init__(self, stage: str, act: Any) -> None:
        self._stage, self._act = stage, act

    def stage(self, name: str) -> AbstractContextManager[Advance]:
        return self._watch() if name == self._stage else super().stage(name)

    @contextmanager
    def _watch(self) -> Iterator[Advance]:
        def advance(done: int, total: int) -> None:
            if done and self._act is not None:
                act, self._act = self._act, None
                act()

        yield advance


def kill_workers() -> None:
    """Kill the worker processes of this test's Ray that have something to do."""
    import psutil

    for process in psutil.Process().children(recursive=True):
        if any(title.startswith(("ray::_Masker", "ray::_make")) for title in process.cmdline()):
            process.kill()


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("stage", ["mask", "pass through"])
def test_lost_workers_cost_nothing_but_time(
    built: dict[str, str], market: Path, ellipses: SegmenterFactory, tmp_path: Path, stage: str
) -> None:
    out = tmp_path / "aug"
    observer = Watching(stage, kill_workers)
    build(market, out, recipe=RECIPE, segmenter=ellipses, engine=RayEngine, observer=observer)
    assert tree(out) == built


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("stage", ["mask", "pass through"])
def test_an_interrupted_build_is_gone_on_with(
    built: dict[str, str], market: Path, ellipses: SegmenterFactory, tmp_path: Path, stage: str
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    out = tmp_path / "aug"
    run = partial(build, market, out, recipe=RECIPE, segmenter=ellipses)
    with pytest.raises(KeyboardInterrupt):
        run(engine=RayEngine, observer=Watching(stage, interrupt))
    result = run(workers=1)  # by either engine
    assert result.masks is not None
    assert result.masks.reused > 0
    assert stage == "mask" or result.found > 0
    assert tree(out) == built


@pytest.mark.usefixtures("cluster")
def test_errors_come_back_as_themselves(
    items: list[Kept], market: Path, tmp_path: Path, ellipses: SegmenterFactory
) -> None:
    written: list[WrittenFile] = []

    def make(items: Sequence[Kept]) -> None:
        with RayEngine() as engine:
            context = Context(RECIPE, tmp_path, "clone")
            engine.make_files(items, context, begun=lambda _: None, finished=written.extend)

    (tmp_path / items[10].path).mkdir()
    with pytest.raises(OutputError, match=r"10\.jpg: cannot be written"):
        make(items)
    assert all((tmp_path / file.path).is_file() for file in written)
    gone = replace(items[0], source=replace(items[0].source, path=tmp_path / "gone.jpg"))
    with pytest.raises(DatasetError, match=r"gone\.jpg: cannot be read any more"):
        make([gone])
    broken = SegmenterSource("broken", cast(Any, Unloadable))
    with pytest.raises(WeightsError, match=r"broken\.pt: not weights"):
        build(
            market, tmp_path / "aug", recipe=RECIPE, segmenter=lambda *_: broken, engine=RayEngine
        )


@pytest.mark.usefixtures("cluster")
def test_a_worker_that_always_dies_is_one_clear_error(
    market: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "RETRIES", 1)
    deadly = SegmenterSource("deadly", partial(os._exit, 1))
    with pytest.raises(WorkerError, match="run the same command again"):
        build(
            market, tmp_path / "aug", recipe=RECIPE, segmenter=lambda *_: deadly, engine=RayEngine
        )


@pytest.mark.usefixtures("cluster")
def test_each_actor_is_a_process(market: Path, tmp_path: Path) -> None:
    loud = SegmenterSource("loud", cast(Any, partial(Loud, peers=2, place=tmp_path)))
    build(market, tmp_path / "aug", recipe=RECIPE, segmenter=lambda *_: loud, engine=RayEngine)
    assert len(list(tmp_path.glob("*.here"))) == 2


def test_without_ray_there_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(EngineError, match=r"pip install 'visnet\[ray\]'"), RayEngine():
        pytest.fail("there is no Ray")


@pytest.fixture
def ray_that(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Let Ray's ``init`` raise what is said for an address; return the addresses it is given."""

    def say(**errors: Exception) -> list[str]:
        asked: list[str] = []

        def init(address: str, **_: object) -> None:
            asked.append(address)
            if address in errors:
                raise errors[address]

        monkeypatch.setattr(ray, "is_initialized", lambda: False)
        monkeypatch.setattr(ray, "shutdown", lambda: None)
        monkeypatch.setattr(ray, "init", init)
        monkeypatch.delenv("RAY_ADDRESS", raising=False)
        monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        return asked

    return say


NOBODY = ConnectionError("Could not find any running Ray instance.")
MISMATCH = RuntimeError("Version mismatch: The cluster was started with:\n    Ray: 1.0\n")


def test_a_ray_is_started_where_there_is_none(ray_that: Callable[..., list[str]]) -> None:
    asked = ray_that(auto=NOBODY)
    with RayEngine():
        assert asked == ["auto", "local"]


@pytest.mark.parametrize(
    ("errors", "told"),
    [
        (
            {"auto": MISMATCH},
            r"cannot be joined \(Version mismatch: The cluster was started with: Ray: 1\.0",
        ),
        (
            {"auto": NOBODY, "local": Exception("timed out")},
            r"cannot be started here \(timed out\)",
        ),
    ],
)
def test_a_ray_that_cannot_be_used_is_one_clear_line(
    ray_that: Callable[..., list[str]], errors: dict[str, Exception], told: str
) -> None:
    asked = ray_that(**errors)
    with pytest.raises(EngineError, match=f"--engine ray: .*{told}"), RayEngine():
        pytest.fail("there is no Ray")
    assert asked == list(errors)


@pytest.mark.parametrize(
    ("option", "variable", "told"),
    [
        ("there", None, "--ray-address there: .*leave the option out"),
        (None, "there", "RAY_ADDRESS=there: .*unset the variable"),
        ("there", "elsewhere", "--ray-address there: .*leave the option out"),
    ],
)
def test_whoever_named_a_cluster_is_told_how_to_do_without(
    ray_that: Callable[..., list[str]],
    monkeypatch: pytest.MonkeyPatch,
    option: str | None,
    variable: str | None,
    told: str,
) -> None:
    asked = ray_that(there=NOBODY)
    if variable:
        monkeypatch.setenv("RAY_ADDRESS", variable)
    with pytest.raises(EngineError, match=told), RayEngine(address=option):
        pytest.fail("there is no Ray")
    assert asked == ["there"]


COMMAND = """
from fake_segmenters import Ellipses
from visnet_aug.builder import build
from visnet_aug.masks.compute import SegmenterSource
from visnet_aug.cli.main import main

build.build.__kwdefaults__["segmenter"] = lambda *_: SegmenterSource("ellipses", Ellipses)
main()
"""


def command(market: Path, out: Path, address: str) -> subprocess.CompletedProcess[str]:
    script = out.with_name("command.py")
    script.write_text(COMMAND)
    options = f"--src {market} --out {out} --images 47 --engine ray --ray-address {address}"
    return subprocess.run(
        [sys.executable, str(script), "build", *options.split()],
        env={**os.environ, **ENVIRONMENT, **TOKEN},
        capture_output=True,
        text=True,
        check=False,
    )


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_the_command_works_on_a_cluster_that_was_started_before(
    built: dict[str, str], market: Path, tmp_path: Path
) -> None:
    port, out = free_port(), tmp_path / "aug"
    nobody = command(market, out, f"127.0.0.1:{port}")
    assert nobody.returncode == 9, nobody.stderr
    assert f"error: --ray-address 127.0.0.1:{port}: no Ray cluster can be reached" in nobody.stderr
    assert "Traceback" not in nobody.stderr
    with ray_start(port):
        done = command(market, out, f"127.0.0.1:{port}")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert tree(out) == built


@contextmanager
def ray_start(port: int) -> Iterator[None]:
    """Run ``ray start --head``."""
    command = [str(Path(sys.executable).with_name("ray")), "start", "--head", "--block"]
    command += ["--num-cpus=2", f"--object-store-memory={STORE}", f"--port={port}"]
    command += ["--node-ip-address=127.0.0.1", "--include-dashboard=false"]
    with tempfile.TemporaryDirectory(prefix="ray") as short:  # there are sockets in it
        process = subprocess.Popen(
            [*command, f"--temp-dir={short}"],
            env={**os.environ, **ENVIRONMENT, **TOKEN},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            while not answers(port):
                assert process.poll() is None, process.communicate()[1]
                time.sleep(0.05)
            yield
        finally:
            process.terminate()
            process.communicate()


def answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
