from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import visnet_aug
from visnet_aug import doctor, errors
from visnet_aug.builder import build as building
from visnet_aug.command import CHECK_FAILED, INTERRUPTED
from visnet_aug.masks.compute import SegmenterFactory

COMMANDS = ("build", "doctor", "draw", "inspect", "mask", "preview", "probe", "replay", "verify")

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ready(monkeypatch: pytest.MonkeyPatch, ellipses: SegmenterFactory) -> None:
    """Let commands use the segmenter that needs no network."""
    for name in ("build", "build_probe", "dry_run", "make_masks"):
        function = getattr(building, name)
        monkeypatch.setitem(function.__kwdefaults__, "segmenter", ellipses)


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['visnet-aug', '--help']\n"
        "from visnet_aug.cli.main import main\n"
        "try: main()\n"
        "finally: print(sorted(sys.modules), file=sys.stderr)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "Commands:" in result.stdout
    loaded = {name.split(".")[0] for name in eval(result.stderr)}
    heavy = {"torch", "cv2", "numpy", "albumentations", "ultralytics", "pydantic", "PIL", "rich"}
    assert not loaded & heavy


def test_every_command_has_help_with_an_example(run: Run) -> None:
    code, out, _ = run("--help")
    assert code == 0
    assert all(f"\n  {name}  " in out for name in COMMANDS)
    for name in COMMANDS:
        code, out, _ = run(name, "-h")
        assert code == 0
        assert re.search(rf"Examples?:\n  +visnet-aug {name}", out), out
    assert run() == run("--help")


def test_the_help_documents_every_exit_code(run: Run) -> None:
    documented = {int(n) for n in re.findall(r"^ +(\d+)  +\w", run("--help")[1], re.MULTILINE)}
    kinds = errors.VisnetError.__subclasses__()  # those of visnet_model, too, if it is loaded
    codes = {kind.exit_code for kind in kinds if kind.__module__ == errors.__name__}
    assert documented == {0, CHECK_FAILED, INTERRUPTED} | codes


def test_the_options_that_have_defaults_say_so(run: Run) -> None:
    text = re.sub(r"\s+", " ", run("build", "--help")[1])
    for name in ("recipe", "images", "seed", "weights", "device", "workers", "encoding",
                 "on-error", "passthrough"):  # fmt: skip
        assert re.search(rf"--{name} .*?\[default: ", text), name


def test_the_version_is_the_packages(run: Run) -> None:
    assert run("--version") == (0, f"visnet-aug, version {visnet_aug.__version__}\n", "")


def test_completion_is_clicks_own() -> None:
    result = subprocess.run(
        [sys.executable, "-c", "from visnet_aug.cli.main import main; main()"],
        env={**os.environ, "_VISNET_AUG_COMPLETE": "zsh_source"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "compdef _visnet_aug_completion visnet-aug" in result.stdout


BAD = [
    # (arguments after the command; SRC and OUT stand for good folders, exit code, message)
    ("bild", 2, "No such command 'bild'"),
    ("build --src SRC", 2, "Missing option '--out'. See visnet-aug build --help."),
    ("build --src SRC --out OUT --wrokers 2", 2, "No such option"),
    ("build --src SRC --out OUT --workers 0", 2, "'--workers': 0 is not in the range"),
    ("build --src SRC --out OUT --seed x", 2, "'--seed'"),
    ("build --src SRC --out OUT --on-error ignore", 2, "'--on-error'"),
    ("build --src SRC --out OUT --passthrough move", 2, "'--passthrough'"),
    ("build --src SRC --out OUT --images 0", 2, "images: expected auto or a positive"),
    ("build --src SRC --out OUT --encoding gif", 2, "encoding: expected match, png or jpeg:Q"),
    ("build --src SRC --out OUT --recipe none.yaml", 2, "cannot read recipe none.yaml: No such"),
    ("build --src SRC --out OUT --recipe BAD", 2, "bad.yaml:2: build.sed: unknown key 'sed'"),
    ("probe --src SRC --out OUT --ray-address auto", 2, "--ray-address goes with --engine ray"),
    ("build --src none --out OUT", 3, "none: no such folder"),
    ("mask --src SRC/query --out OUT", 3, "did you mean SRC (market1501)?"),
    ("build --src SRC --out OUT --images 3", 4, "cannot make 3 images: 12 originals + 6 query"),
    ("build --src SRC --out OUT --images 3 --dry-run", 4, "ask for at least 30"),
    ("mask --src SRC --out SRC/masks", 6, "inside the source dataset"),
    ("build --src SRC --out FILE", 6, "cannot be read as a folder"),
    (
        "build --src SRC --out FULL",
        6,
        "do not belong to a build, such as thesis.tex",
    ),
    ("probe --src SRC --out OUT --sample 0", 2, "'--sample': 0 is not in the range"),
    ("probe --src SRC --out OUT --families blur,smoke", 2, "'smoke' is unknown: have color_shift"),
    ("probe --src SRC --out OUT --images 3", 2, "No such option"),
    ("probe --src SRC --out OUT --sample 3", 4, "cannot sample 3 identities: the query has 2"),
    (
        "probe --src SRC --out FULL",
        6,
        "do not belong to a build, such as thesis.tex",
    ),
    ("inspect OUT", 6, "no such folder"),
    ("draw --out FULL", 6, "is not an empty folder"),
    ("draw --out OUT --identities 1", 2, "'--identities'"),
]


@pytest.mark.usefixtures("ready")
@pytest.mark.parametrize(("line", "code", "message"), BAD)
def test_bad_input_is_one_line_and_an_exit_code(
    run: Run, market: Path, tmp_path: Path, line: str, code: int, message: str
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").touch()
    (tmp_path / "bad.yaml").write_text("build:\n  sed: 1\n")
    places = {
        "SRC": str(market),
        "OUT": str(tmp_path / "out"),
        "FILE": str(tmp_path / "bad.yaml"),
        "FULL": str(tmp_path / "full"),
        "BAD": str(tmp_path / "bad.yaml"),
    }
    for name, place in places.items():
        line, message = line.replace(name, place), message.replace(name, place)
    found, _, err = run(*line.split())
    (complaint,) = [line for line in err.splitlines() if line.startswith("visnet-aug: error: ")]
    assert message in complaint
    assert found == code
    assert "Traceback" not in err
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("ready")
def test_build_mask_and_inspect_work_and_say_what_they_did(
    run: Run, market: Path, tmp_path: Path
) -> None:
    out = tmp_path / "aug"
    command = ("build", "--src", market, "--out", out, "--images", 40, "--workers", 2)

    code, text, _ = run("mask", "--src", market, "--out", out)
    assert code == 0
    assert "12 of 12 images have a usable mask" in text

    code, text, _ = run(*command, "--dry-run")
    assert code == 0
    assert "40 images would be made; nothing was written" in text
    assert not (out / "manifest.csv").exists()

    code, text, err = run(*command, "--seed", 5, "--encoding", "jpeg:80")
    assert code == 0
    assert "12 originals + 10 copies + 6 query + 12 gallery = 40" in text
    assert re.search(r"train +22 +12 +10 +4 +3", text)
    assert re.search(r"total +40", text)
    assert "0 computed, 12 reused" in text
    for stage in ("read", "mask", "pass through", "render"):
        assert re.search(rf"^{stage} +[\d,]+ of [\d,]+ in [\d.]+ s$", err, re.MULTILINE)
    assert "\x1b" not in err  # no bars where there is no terminal
    recipe = json.loads((out / "build.json").read_text())["identity"]["recipe"]
    assert (recipe["seed"], recipe["encoding"], recipe["images"]) == (5, "jpeg:80", 40)

    code, text, _ = run(*command, "--seed", 5, "--encoding", "jpeg:80")
    assert code == 0
    assert "already finished; nothing to do" in text

    code, _, err = run(*command)
    assert code == 6
    assert "holds another build: recipe.encoding is" in err
    assert run(*command, "--force")[0] == 0

    code, text, err = run("inspect", out, "--sample", 3, "--workers", 1)
    assert (code, text) == (0, f"{out / 'report' / 'index.html'}\n")
    assert Path(text.strip()).is_file()
    assert re.search(r"^write +\d of \d in", err, re.MULTILINE)


@pytest.mark.usefixtures("ready")
def test_probe_and_inspect_work_and_say_what_they_did(
    run: Run, market: Path, tmp_path: Path
) -> None:
    out = tmp_path / "probe"
    command = ("probe", "--src", market, "--out", out, "--workers", 1, "--sample", 1)
    families = ("--families", "blur,noise", "--families", "pattern")
    code, text, err = run(*command, *families, "--seed", 5)
    assert code == 0
    assert "3 query + 5 gallery = 8 untouched; 8 of them maskable × 3 families = 24" in text
    assert re.search(r"probe-gallery +15 +0 +15 +1 +3", text)
    assert "8 of 8 images have a usable mask" in text
    assert re.search(r"^render +24 of 24 in", err, re.MULTILINE)
    assert (out / "noise" / "query").is_dir()

    code, text, _ = run(*command, "--families", "pattern,noise,blur", "--seed", 5)
    assert (code, "already finished; nothing to do" in text) == (0, True)
    code, _, err = run("build", "--src", market, "--out", out)
    assert (code, 'command is "probe" there and "build" here' in err) == (6, True)
    assert run(*command, "--force")[0] == 0
    assert (out / "gradient" / "query").is_dir()

    code, text, _ = run("inspect", out, "--workers", 1)
    assert (code, Path(text.strip()).is_file()) == (0, True)


@pytest.mark.usefixtures("ready")
@pytest.mark.parametrize("there", [True, False])
def test_inspect_opens_the_browser_or_says_that_it_cannot(
    run: Run, market: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    opened: list[str] = []

    def open_browser(address: str) -> bool:
        opened.append(address)
        return there

    monkeypatch.setattr("webbrowser.open", open_browser)
    out = tmp_path / "a set"
    assert run("probe", "--src", market, "--out", out, "--sample", 1, "--families", "blur")[0] == 0
    code, _, err = run("inspect", out, "--workers", 1, "--open")
    assert (code, opened) == (0, [(out / "report" / "index.html").as_uri()])
    assert ("no browser could be opened" in err) is not there


@pytest.mark.usefixtures("ready")
def test_on_error_stop_names_the_image(
    run: Run, make_market: Callable[[Path], Path], tmp_path: Path
) -> None:
    source = make_market(tmp_path / "set")
    (source / "query" / "0011_c1s1_001111_00.jpg").write_bytes(b"")
    command = ("build", "--src", source, "--out", tmp_path / "aug", "--workers", 1)
    code, _, err = run(*command, "--on-error", "stop")
    assert (code, "0011_c1s1_001111_00.jpg: zero_byte" in err) == (3, True)
    code, text, _ = run(*command)
    assert (code, "1 unusable file" in text) == (0, True)


def test_draw_draws(run: Run, tmp_path: Path) -> None:
    code, _, _ = run("draw", "--out", tmp_path / "drawn", "--identities", 4, "--workers", 1)
    assert code == 0
    assert len(list((tmp_path / "drawn" / "bounding_box_train").iterdir())) > 0


@pytest.mark.parametrize(("problem", "code"), [(None, 0), ("run: make it whole", 1)])
def test_doctor_leaves_with_1_if_something_is_wrong(
    run: Run, monkeypatch: pytest.MonkeyPatch, problem: str | None, code: int
) -> None:
    findings = [doctor.Finding("python", "3.11"), doctor.Finding("weights", "x.pt", problem)]
    monkeypatch.setattr(doctor, "run_doctor", lambda weights: findings)
    found, text, _ = run("doctor", "--weights", "x.pt")
    assert found == code
    assert "ok  python   3.11\n" in text
    assert ("!!  weights  x.pt" in text) == (problem is not None)
    assert (str(problem) in text) == (problem is not None)


def test_ctrl_c_ends_drawing_with_one_line_and_nothing_left(tmp_path: Path) -> None:
    """Its workers hear nothing of it: their tracebacks would stand among the errors."""
    main = "from visnet_aug.cli.main import main; main()"
    out = tmp_path / "drawn"
    process = subprocess.Popen(
        [sys.executable, "-c", main, "draw", "--out", str(out), "--like", "market1501",
         "--workers", "2"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell's background jobs, CI among them, inherit an ignored SIGINT.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    while process.poll() is None and not any(tmp_path.glob("drawn.part/*/*.jpg")):
        time.sleep(0.01)
    if process.poll() is not None:
        pytest.fail(process.communicate()[1])
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to every process
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err.split("\n")) == (
        130, ["", "visnet-aug: error: interrupted", ""],
    )  # fmt: skip
    assert not any(tmp_path.iterdir())


SCRIPT = """
import sys
import time
sys.path.insert(0, {tests!r})
from fake_segmenters import Ellipses
from visnet_aug.builder import build, local
from visnet_aug.builder.journal import Journal
from visnet_aug.masks.compute import SegmenterSource
from visnet_aug.cli.main import main

local.CHUNK = 1
finish = Journal.finish

def finish_slowly(journal, written):  # so that no machine is done before the signal comes
    finish(journal, written)
    time.sleep(0.05)

Journal.finish = finish_slowly
build.build.__kwdefaults__["segmenter"] = lambda *_: SegmenterSource("ellipses", Ellipses)
sys.argv = ["visnet-aug", "build", "--src", {source!r}, "--out", {out!r}, "--images", "3000",
            "--workers", "2"]

if __name__ == "__main__":
    main()
"""


def test_ctrl_c_leaves_with_130_and_what_was_begun_finished(
    market: Path, tmp_path: Path, ellipses: SegmenterFactory
) -> None:
    tests, out = Path(__file__).parents[2], tmp_path / "aug"
    script = tmp_path / "interrupted.py"
    script.write_text(SCRIPT.format(tests=str(tests), source=str(market), out=str(out)))
    process = subprocess.Popen(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": f"{tests.parent}:{tests}/shared"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell's background jobs, CI among them, inherit an ignored SIGINT.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    journal = out / ".visnet" / "journal.jsonl"
    while process.poll() is None and not (journal.exists() and "_1_" in journal.read_text()):
        time.sleep(0.01)
    if process.poll() is not None:
        pytest.fail(process.communicate()[1])
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to every process
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "visnet-aug: error: interrupted; run the same command again to resume" in err
    assert "Traceback" not in err
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    begun = {path for line in lines for path in line.get("begun", ())}
    finished = {line["path"] for line in lines if "path" in line}
    present = {
        path.relative_to(out).as_posix()
        for path in out.rglob("*.*")
        if path.parent.name not in ("masks", ".visnet", "aug")
    }
    assert finished <= present <= begun
    # What is handed out in the very moment of the signal is not waited for, but made again.
    assert len(present - finished) <= 1
    assert 30 < len(finished) < 3000
