"""Ablations: train runs that differ in one setting and evaluate them alike.

    python -m benchmarks.ablations --src Market-1501-dev --out ablations [--seeds 0,1] [NAME...]

The script builds the datasets that the variants need (originals only, the published composition,
our default) and a probe, trains a small VisNet on each for a fixed number of steps, and evaluates
the last weights on query and gallery and on the probe. Finished steps are skipped when the script
runs again. The resulting table is Markdown.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import yaml

from visnet_model.config import TrainConfig, load_config
from visnet_model.training.log import read_metrics

BASE = {
    "network": {"backbone": "resnet18"},
    "data": {"height": 128, "width": 64},
    "optimisation": {"schedule": "cosine"},
    "evaluation": {"every": 2},
}
"""Settings shared by all runs; one run takes about ten minutes on two CPU cores."""

PUBLISHED = Path(__file__).parents[1] / "pipelines" / "market1501-published.yaml"


@dataclass(frozen=True)
class Variant:
    """One difference from the default.

    Attributes:
        what: Description for the table.
        built: Training set: ``default``, ``published`` or ``originals``.
        changes: Changes to the config, by section.
    """

    what: str
    built: str = "default"
    changes: Mapping[str, Any] = field(default_factory=dict)


VARIANTS = {
    "default": Variant("our defaults"),
    "originals": Variant("no rewritten backgrounds", built="originals"),
    "published": Variant("published composition", built="published"),
    "mixing-any": Variant(
        "image and own copy may share a batch", changes={"data": {"mixing": "any"}}
    ),
    "no-fidi": Variant("without FIDI", changes={"losses": {"weights": {"fidi": 0.0}}}),
    "no-semantic": Variant(
        "without the semantic loss", changes={"losses": {"weights": {"semantic": 0.0}}}
    ),
    "fidi-20": Variant(
        "fixed weights 1, 20 (FIDI), 1",
        changes={"losses": {"weighting": "fixed", "weights": {"fidi": 20.0}}},
    ),
    "fidi-scale-2": Variant("FIDI's scale 2", changes={"losses": {"fidi": {"scale": 2.0}}}),
    "fidi-scale-8": Variant("FIDI's scale 8", changes={"losses": {"fidi": {"scale": 8.0}}}),
}


@click.command()
@click.argument("names", nargs=-1, metavar="NAME...", type=click.Choice(list(VARIANTS)))
@click.option("--src", required=True, type=click.Path(path_type=Path), help="Market-1501's layout.")
@click.option("--out", required=True, type=click.Path(path_type=Path))
@click.option("--seeds", default="0", show_default=True, help="Comma-separated.")
@click.option("--steps", default=1000, show_default=True)
@click.option("--table-only", is_flag=True, help="Train nothing; show what is finished.")
def main(
    names: tuple[str, ...], src: Path, out: Path, seeds: str, steps: int, table_only: bool
) -> None:
    """Train the variants (all by default) with the seeds, and print the table."""
    chosen = names or tuple(VARIANTS)
    runs = {
        (name, int(seed)): out / f"{name}-{seed}" for seed in seeds.split(",") for name in chosen
    }
    if not table_only:
        probe = make_probe(src, out)
        for (name, seed), folder in runs.items():
            if not (folder / "results.json").exists():
                manifest = make_set(VARIANTS[name].built, src, out)
                train(VARIANTS[name], seed, steps, manifest, folder)
                evaluate(folder, probe)
    print(
        table({key: folder for key, folder in runs.items() if (folder / "results.json").exists()})
    )


def make_set(built: str, src: Path, out: Path) -> Path:
    """Build a set, or finish one; return its manifest."""
    more: tuple[object, ...] = ()
    if built == "published":
        more = ("--recipe", PUBLISHED)
    elif built == "originals":
        more = ("--images", count_images(src))
    folder = out / "sets" / built
    folder.parent.mkdir(parents=True, exist_ok=True)
    run(
        "visnet_aug.cli.main",
        "build",
        "--src",
        src,
        "--out",
        folder,
        "--passthrough",
        "hardlink",
        *more,
    )
    return folder / "manifest.csv"


def count_images(src: Path) -> int:
    """Count the images that a build reads; a total of this size leaves no room for copies."""
    from visnet_aug.datasets import read_dataset

    return len(read_dataset(src).records)


def make_probe(src: Path, out: Path) -> Path:
    """Make the probe; return its manifest."""
    folder = out / "sets" / "probe"
    folder.parent.mkdir(parents=True, exist_ok=True)
    run("visnet_aug.cli.main", "probe", "--src", src, "--out", folder, "--passthrough", "hardlink")
    return folder / "manifest.csv"


def train(variant: Variant, seed: int, steps: int, manifest: Path, folder: Path) -> None:
    """Train a variant, or continue its run, which must have the same config."""
    config = merge({**BASE, "seed": seed}, {"optimisation": {"steps": steps}}, variant.changes)
    if (folder / "last.pt").exists():
        if load_config(folder / "config.yaml") != TrainConfig.model_validate(config):
            raise click.ClickException(f"{folder}: a run with other settings; remove it")
        run("visnet_model.cli.train", "--resume", folder)
        return
    file = folder.with_name(f"{folder.name}.yaml")
    file.write_text(yaml.safe_dump({"train": config}))
    run("visnet_model.cli.train", "--manifest", manifest, "--out", folder, "--config", file)


def evaluate(folder: Path, probe: Path) -> None:
    """Evaluate a run's last weights on the probe, which contains the test set unchanged."""
    run(
        "visnet_model.cli.evaluate", "--checkpoint", folder / "last.pt", "--probe", probe,
        "--out", folder / "probe", "--strips", 0, "--precision", "auto",
    )  # fmt: skip
    (folder / "probe" / "results.json").replace(folder / "results.json")


def merge(*parts: Mapping[str, Any]) -> dict[str, Any]:
    """Merge nested mappings; later ones take precedence."""
    merged: dict[str, Any] = {}
    for part in parts:
        for key, value in part.items():
            nested = isinstance(value, Mapping)
            merged[key] = merge(merged.get(key, {}), value) if nested else value
    return merged


def table(runs: Mapping[tuple[str, int], Path]) -> str:
    """Format the finished runs as a table: means over seeds in percent, and the final losses."""
    lines = [
        "| | seeds | mAP | Rank-1 | mAP, queries rewritten | mAP, both rewritten "
        "| identity | FIDI | semantic |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, variant in VARIANTS.items():
        folders = [folder for (other, _), folder in runs.items() if other == name]
        if folders:
            lines.append(_line(variant, folders))
    return "\n".join(lines)


def _line(variant: Variant, folders: list[Path]) -> str:
    results = [json.loads((folder / "results.json").read_text()) for folder in folders]
    cells = [
        _mean([result["ranking"]["mAP"] for result in results]),
        _mean([result["ranking"]["rank1"] for result in results]),
        *(
            _mean([r["probe"]["mean"][side]["mAP"] for r in results])
            for side in ("queries", "both")
        ),
    ]
    for loss in ("identity", "fidi", "semantic"):
        records = [read_metrics(folder / "metrics.jsonl") for folder in folders]
        last = [[r for r in one if r["kind"] == "steps"][-1].get(loss) for one in records]
        cells.append("—" if None in last else f"{statistics.fmean(last):.3f}")  # type: ignore[arg-type]
    return f"| {variant.what} | {len(folders)} | {' | '.join(cells)} |"


def _mean(rates: list[float]) -> str:
    """Format a mean in percent, with the individual values if there are several."""
    values = [100 * rate for rate in rates]
    spread = f" ({', '.join(f'{value:.1f}' for value in values)})" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.2f}{spread}"


def run(module: str, *arguments: object) -> None:
    """Run one of the project's commands in this Python environment."""
    code = f"from {module} import main\nif __name__ == '__main__': main()"
    subprocess.run([sys.executable, "-c", code, *map(str, arguments)], check=True)


if __name__ == "__main__":
    main()
