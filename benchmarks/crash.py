"""Kill builds at many points and check that the same command still produces the same bytes.

    python -m benchmarks.crash --kills 200 [--src DIR]

Builds are killed with SIGKILL, either before a chosen change that the main process or a worker
makes in the folder (``killed.py``) or after a random time. The signal goes to all processes, to the
main process, or to one worker. Each build is killed and resumed several times and then finished.
The whole folder, names and bytes, must equal that of an uninterrupted build. All processes run the
real command with the real network.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import click
import numpy as np

from benchmarks.command import COMMAND
from benchmarks.killed import Kill

STAGES = ("read", "mask", "pass through", "render", "write tables")
LAST = "after the tables"

PLAIN = COMMAND[1:]
KILLED = ("-m", "benchmarks.killed")

COPY = r"_\d+_[a-z_]+\.\w+(\.part)?$"
"""Suffix of a copy's path, which identifies changes made by the rendering stage."""


@dataclass(frozen=True, slots=True)
class Death:
    """One killed run: the stage, the trigger (a process's count or the timer), and the victims."""

    stage: str
    by: str
    victims: str


class Builds:
    """Builds of one dataset, and the expected result of an uninterrupted build."""

    def __init__(self, source: Path, place: Path, rng: np.random.Generator) -> None:
        self._source, self._place, self._rng = source, place, rng
        self.out = place / "aug"
        self._masked = place / "masked"
        self._counts: dict[bool, int] = {}
        self._seconds = 0.0
        self._check(self._run("mask", PLAIN))
        shutil.move(self.out, self._masked)
        for masked in (False, True):
            self.start(masked=masked)
            count = place / "count"
            begun = time.perf_counter()
            kill = Kill(str(self.out), count=str(count))
            self._check(self._run("build", KILLED, kill))
            self._seconds = time.perf_counter() - begun  # finally, the build with stored masks
            self._counts[masked] = int(count.read_text())
        self.expected = tree(self.out)
        self.copies = sum(bool(re.search(COPY, name)) for name in self.expected)

    def start(self, *, masked: bool) -> None:
        """Reset the output folder to the start of a build: empty, or with stored masks."""
        shutil.rmtree(self.out, ignore_errors=True)
        if masked:
            shutil.copytree(self._masked, self.out)

    def kill(self, *, masked: bool) -> Death | None:
        """Run the build until it is killed; return ``None`` if it finished first."""
        by = str(self._rng.choice(["main", "worker", "clock"], p=[0.4, 0.4, 0.2]))
        if by == "clock":  # not during Python's start-up
            seconds = float(self._rng.uniform(0.3, 1.1)) * self._seconds
            return self._death(self._run("build", PLAIN, seconds=seconds), by, "all")
        if by == "main":
            victims = self._rng.choice(["all", "main"])
            kill = Kill(str(self.out), "main", self._below(self._counts[masked]), victims)
        else:
            victims = self._rng.choice(["all", "main", "self"])
            match = str(self._rng.choice([COPY, ""]))
            number = self._below(self.copies if match else len(self.expected) // 2)
            kill = Kill(str(self.out), "worker", number, victims, match)
        return self._death(self._run("build", KILLED, kill), by, str(victims))

    def finish(self) -> bool:
        """Run the build to its end; return whether the result equals an uninterrupted build's."""
        result = self._run("build", PLAIN)
        if result.returncode != 0:
            print(result.stderr, file=sys.stderr)
            return False
        found = tree(self.out)
        for name in sorted(found.keys() | self.expected.keys()):
            if found.get(name) != self.expected.get(name):
                print(f"differs: {name}", file=sys.stderr)
        return found == self.expected

    def _below(self, limit: int) -> int:
        return int(self._rng.integers(1, limit + 1))

    def _run(
        self, command: str, how: tuple[str, ...], kill: Kill | None = None, seconds: float = 600
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in its own process group; kill the group on a timeout."""
        arguments = [sys.executable, *how, command, "--src", str(self._source)]
        arguments += ["--out", str(self.out)] + ["--workers", "2"] * (command == "build")
        with (self._place / "err").open("w+") as err:
            process = subprocess.Popen(
                arguments,
                env=kill.environment if kill else None,
                stdout=subprocess.DEVNULL,
                stderr=err,
                start_new_session=True,
            )
            try:
                process.wait(timeout=seconds)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            err.seek(0)
            # The main process has ended; its workers may still be exiting when the next run starts.
            return subprocess.CompletedProcess(arguments, process.returncode, "", err.read())

    @staticmethod
    def _check(result: subprocess.CompletedProcess[str]) -> None:
        if result.returncode != 0:
            raise SystemExit(result.stderr)

    @staticmethod
    def _death(result: subprocess.CompletedProcess[str], by: str, victims: str) -> Death | None:
        if result.returncode == 0:
            return None
        if result.returncode not in (-signal.SIGKILL, 8):
            raise SystemExit(f"left with {result.returncode}: {result.stderr}")
        return Death(stage_of(result.stderr), by, victims)


def tree(root: Path) -> dict[str, str]:
    """Map every file of a set to its checksum and every folder to an empty string.

    The folder ``report`` is excluded, because it contains the duration of the build.
    """
    return {
        path.relative_to(root).as_posix(): (
            sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        )
        for path in sorted(root.rglob("*"))
        if path.relative_to(root).parts[0] != "report"
    }


def stage_of(err: str) -> str:
    """Return the stage in which a build was killed, from its lines on finished stages."""
    done = {line[:12].strip() for line in err.splitlines() if line.rstrip().endswith(" s")}
    left = [stage for number, stage in enumerate(STAGES) if not done.intersection(STAGES[number:])]
    return left[0] if left else LAST


@click.command()
@click.option("--kills", default=200, show_default=True, help="How many kills.")
@click.option("--each", default=3, show_default=True, help="Kills of one build, before it ends.")
@click.option("--src", type=click.Path(exists=True, path_type=Path), help="Default: drawn.")
@click.option("--seed", default=0, show_default=True, help="Of where they strike.")
@click.option("--minutes", type=float, help="Stop after this time, whatever is left.")
def main(kills: int, each: int, src: Path | None, seed: int, minutes: float | None) -> None:
    """Kill builds, finish them, compare; print the kills by stage."""
    rng = np.random.default_rng(seed)
    end = time.monotonic() + (60 * minutes if minutes else float("inf"))
    survived: Counter[Death] = Counter()
    lost = 0
    with tempfile.TemporaryDirectory(prefix="visnet-crash-") as folder:
        place = Path(folder)
        if src is None:
            src = place / "drawn"
            from visnet_aug.datasets.drawn.dataset import draw_dataset

            draw_dataset(src, identities=8, workers=1)
        builds = Builds(src, place, rng)
        print(f"{len(builds.expected)} files and folders, {builds.copies} of them copies")
        while survived.total() + lost < kills and time.monotonic() < end:
            masked = bool(rng.random() < 0.8)  # the other ones load the network, which takes time
            builds.start(masked=masked)
            deaths = [builds.kill(masked=masked) for _ in range(each)]
            counted = [death for death in deaths if death is not None]
            if builds.finish():
                survived.update(counted)
            else:
                lost += len(counted)
                print(f"lost: {counted}", flush=True)
            print(f"{survived.total()} survived, {lost} lost", file=sys.stderr, flush=True)
    print_table(survived)
    raise SystemExit(bool(lost))


def print_table(survived: Counter[Death]) -> None:
    """Print the number of kills by stage, trigger and victim."""
    columns = sorted({(death.by, death.victims) for death in survived})
    print(f"{'killed in':18}{'all':>6}" + "".join(f"{f'{b}: {v}':>16}" for b, v in columns))
    for stage in (*STAGES, LAST):
        cells = [survived[Death(stage, *column)] for column in columns]
        print(f"{stage:18}{sum(cells):6}" + "".join(f"{n:16}" for n in cells))
    print(f"{'all':18}{survived.total():6}")


if __name__ == "__main__":
    main()
