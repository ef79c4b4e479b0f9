"""How long a build took: ``report/timings.json``, beside the set and no part of it.

The same build gives the same bytes and takes another time each time it is made. So nothing of the
set tells the time; ``report/``, which verification leaves alone, may.
"""

from __future__ import annotations

import hashlib
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict, NonNegativeFloat, NonNegativeInt, ValidationError

import visnet_aug
from visnet_aug.builder.engine import Engine
from visnet_aug.builder.observer import Advance, Observer
from visnet_aug.builder.output import MANIFEST, REPORT_FOLDER, TIMINGS
from visnet_aug.builder.plan import Plan
from visnet_aug.datasets.record import Dataset
from visnet_aug.errors import OutputError
from visnet_aug.files import cannot, make_folder, write_file
from visnet_aug.processes import default_workers


class Timings(BaseModel):
    """What the last run of a build did, and how long it took.

    Attributes:
        manifest: SHA-256 of the manifest that it wrote: these are the times of no other.
        version: Of this package.
        engine: What did the work.
        machine: System and processors of the machine that the build was started on.
        seconds: By stage, in their order.
        masks: Masks that were computed, the others having been stored.
        made: Images that were written.
        found: Images that an earlier run, which was interrupted, had written.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    manifest: str
    version: str
    engine: str
    machine: str
    seconds: dict[str, NonNegativeFloat]
    masks: NonNegativeInt
    made: NonNegativeInt
    found: NonNegativeInt

    @property
    def total(self) -> float:
        """Seconds of all stages together."""
        return sum(self.seconds.values())


class Stopwatch:
    """An observer that notes how long stages take, and passes on what it is told."""

    def __init__(self, observer: Observer) -> None:
        """Stand before another observer."""
        self._observer = observer
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[Advance]:
        """Note a stage's time, if it comes to its end."""
        start = time.perf_counter()
        with self._observer.stage(name) as advance:
            yield advance
        self.seconds[name] = time.perf_counter() - start

    def read(self, dataset: Dataset) -> None:
        """Pass on what was read."""
        self._observer.read(dataset)

    def planned(self, plan: Plan) -> None:
        """Pass on what will be made."""
        self._observer.planned(plan)

    def timings(self, out: Path, engine: Engine, *, masks: int, made: int, found: int) -> Timings:
        """Sum up a build whose manifest is written; see `Timings`."""
        return Timings(
            manifest=_digest(out / MANIFEST),
            version=visnet_aug.__version__,
            engine=engine.describe(),
            machine=f"{platform.system()} {platform.machine()}, {default_workers()} processors",
            seconds={name: round(seconds, 3) for name, seconds in self.seconds.items()},
            masks=masks,
            made=made,
            found=found,
        )


def write_timings(out: Path, timings: Timings) -> None:
    """Write the times of a build that is finished, in place of those of an earlier one.

    Raises:
        OutputError: They cannot be written.
    """
    make_folder(out / REPORT_FOLDER)
    write_file(out / REPORT_FOLDER / TIMINGS, f"{timings.model_dump_json(indent=2)}\n".encode())


def read_timings(out: Path) -> Timings | None:
    """Read how long the build in a folder took.

    Returns:
        ``None`` if nothing says so.

    Raises:
        OutputError: The file is damaged, or tells of another build.
    """
    path = out / REPORT_FOLDER / TIMINGS
    try:
        timings = Timings.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise cannot("read", path, error) from error
    except ValidationError as error:
        raise OutputError(f"{path}: damaged; only a new build can mend it") from error
    if timings.manifest != _digest(out / MANIFEST):
        raise OutputError(f"{path}: of another build than the one that is here now")
    return timings


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
