"""`--engine ray`: the same trials in the same worker processes, on a real Ray of this machine, and what happens when parts of it die."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from bakeoff import __version__, registry
from bakeoff.contract import Trial
from bakeoff.errors import MissingExtra, RunError
from bakeoff.run import ray_engine, ray_task, shipping
from bakeoff.run.engine import Event, Settings, execute, prepare
from bakeoff.run.ledger import Ledger
from bakeoff.study import read_study
from bakeoff.testing import sentences
from bakeoff.verbs import run_study

COUNTS = '''"""An approach whose training takes as long as a test wants, goes on where it was, and says which process it is."""
import json, os, time
from pathlib import Path

from bakeoff.contract import Answer

NOTES = Path(os.environ["COUNTS_NOTES"])


class Counts:
    def __init__(self, to: int = 3):
        self.to = to

    def checkpoint_in(self, folder):
        self.file = folder / "count.json"

    def fit(self, train, valid=(), *, seed=0, progress=None):
        count = json.loads(self.file.read_text()) if self.file.is_file() else 0
        self.chosen_ = {"began": count}
        (NOTES / f"{seed}-{os.getpid()}").write_text(json.dumps({"pid": os.getpid(), "parent": os.getppid(), "began": count}))
        while count < self.to and not (NOTES / "enough").exists():
            time.sleep(0.05)
            count += 1
            draft = self.file.with_suffix(".draft")
            draft.write_text(json.dumps(count))
            draft.replace(self.file)
            progress(min(1.0, count / self.to), f"at {count}")
        if (NOTES / "raise").exists():
            raise RuntimeError("no more numbers")
        self.label_ = sorted({item.target for item in train})[0]
        return self

    def answer(self, items):
        for item in items:
            yield Answer(self.label_)
'''
STUDY = """study: spread
task: text
data: {source: small.csv, text: text, target: label}
approaches: [majority]
seeds: 1
timing: {single_items: 5, single_seconds: 0.1, batch_seconds: 0.1}
"""
AGENTS = """study: agents
task: control
data: {environment: CartPole-v1, episodes: 10, valid: 3}
approaches: [{use: random, seeds: 1}, {use: cem, settings: {steps: 3000, evaluations: 3}}]
seeds: 2
timing: {single_items: 5, single_seconds: 0.1, batch_seconds: 0.1}
"""


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in which `Counts` is installed and leaves its notes; cluster and workers see it."""
    folder = tmp_path_factory.mktemp("notes")
    (folder / "counting.py").write_text(COUNTS)
    info = folder / "counting-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: counting\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[bakeoff.approaches]\ntext/counts = counting:Counts\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder))
        patch.setenv("COUNTS_NOTES", str(folder))
        patch.syspath_prepend(str(folder))
        patch.delenv("RAY_ADDRESS", raising=False)
        # What is installed is looked up once per process, and another file's tests may have done so before.
        registry.entries.cache_clear()
        yield folder
    registry.entries.cache_clear()


@pytest.fixture(autouse=True)
def _no_notes(notes: Path) -> None:
    for old in [*notes.glob("[0-9]*-*"), notes / "enough", notes / "raise"]:
        old.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def cluster(notes: Path) -> Iterator[ray_engine.Cluster]:
    """One Ray for all tests here, started as the engine starts one, with a smaller store."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ray_engine, "OBJECT_STORE_BYTES", 80 << 20)
        patch.setattr(ray_engine, "SECONDS_BETWEEN_CHECKPOINTS", 0.3)
        made = ray_engine.connect(1)
        yield made
        family = psutil.Process().children(recursive=True)
        rays = [one for one in family if "ray" in " ".join(one.cmdline()).lower()]
        assert rays
        made.close()
        _, left = psutil.wait_procs(rays, timeout=30)
        assert left == []


@pytest.fixture
def study(tmp_path: Path) -> Path:
    rows = ["text,label"] + [f'"{item.input}",{item.target}' for item in sentences(80)]
    (tmp_path / "small.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (tmp_path / "spread.yaml").write_text(STUDY, encoding="utf-8")
    return tmp_path / "spread.yaml"


@pytest.fixture
def counting(study: Path) -> Path:
    other = study.with_name("counting.yaml")
    other.write_text(STUDY.replace("[majority]", "[{use: counts, settings: {to: 2000}}]"))
    return other


def noted(notes: Path) -> list[dict[str, Any]]:
    return [
        json.loads(file.read_text())
        for file in sorted(notes.glob("0-*"), key=lambda f: f.stat().st_mtime_ns)
        if file.stat().st_size
    ]


def wait_for(true: Callable[[], Any], seconds: float = 60.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline, "it never became true"
        time.sleep(0.05)
    return found


TRIALS = (Trial("random", 0), Trial("cem", 0), Trial("cem", 1))


def of_this_run(name: str) -> list[psutil.Process]:
    """Processes that work on a trial of this run, wherever they hang in the tree."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("BAKEOFF_RUN") == name and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def keys(value: Any) -> Any:
    """The keys of a tree of mappings, whatever stands in it."""
    return {key: keys(each) for key, each in value.items()} if isinstance(value, dict) else None


# -- on a real cluster ----------------------------------------------------------------------------------------------


def test_the_same_answers_and_measures_as_by_the_local_engine(tmp_path: Path, cluster: ray_engine.Cluster) -> None:
    study = tmp_path / "agents.yaml"
    study.write_text(AGENTS)
    events: list[Event] = []
    spread, local = (Settings(tmp_path / engine, engine=engine) for engine in ("ray", "local"))
    ours, theirs = (prepare(read_study(study), base=tmp_path, settings=each) for each in (spread, local))
    execute(ours, spread, events.append)
    execute(theirs, local)
    for trial in TRIALS:
        assert ours.answers(trial) == theirs.answers(trial) != {}
        assert keys(ours.measures(trial)) == keys(theirs.measures(trial)), trial
        assert sorted(shipping.packed(ours.trial_folder(trial))) == sorted(shipping.packed(theirs.trial_folder(trial)))
    assert ours.measures(Trial("cem", 0))["timing"]["single"]  # measured here, with the model that came back
    assert {event.trial for event in events if event.kind == "started"} == set(TRIALS)
    assert not list(spread.runs.rglob("*.tmp")) and not list(spread.runs.rglob(".checkpoint-*"))
    # What is done is never run twice: one trial is made undone, and only it is begun.
    undone = Trial("cem", 1)
    before = {trial: (ours.trial_folder(trial) / "measures.json").read_bytes() for trial in TRIALS}
    (ours.trial_folder(undone) / "measures.json").unlink()
    events.clear()
    execute(ours, spread, events.append)
    assert [event.trial for event in events if event.kind == "started"] == [undone]
    assert ours.answers(undone) == theirs.answers(undone)
    assert [t for t in TRIALS if (ours.trial_folder(t) / "measures.json").read_bytes() != before[t]] == [undone]


def test_a_lost_node_begins_again_from_the_checkpoint_and_a_failure_is_said_in_words(
    counting: Path, tmp_path: Path, cluster: ray_engine.Cluster, notes: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    said: list[str] = []
    killed: list[dict[str, Any]] = []

    def watch(event: Event) -> None:
        said.append(event.note)
        there = noted(notes)
        kept = list((tmp_path / "runs").glob("*/trials/counts/0/checkpoint/count.json"))
        if not killed and there and kept and json.loads(kept[0].read_text()) > 5:
            killed.append(there[0])
            os.kill(there[0]["parent"], signal.SIGKILL)  # the process of the Ray task: as when its machine goes
        if len(there) > 1:
            (notes / "raise").touch()
            (notes / "enough").touch()

    document = run_study(counting, runs=tmp_path / "runs", engine="ray", watch=watch)
    first, second = noted(notes)
    assert first["began"] == 0 and second["began"] > 5 and second["parent"] != first["parent"]
    assert "start: its node was lost; begun once more" in said and any(note.startswith("fit: at ") for note in said)
    wait_for(lambda: not psutil.pid_exists(first["pid"]))
    ledger = Ledger.open(Path(document.run))
    failure = ledger.measures(Trial("counts", 0))["failure"]
    assert failure["what"] == "RuntimeError: no more numbers" and failure["job"] == "trial"
    log = ledger.trial_folder(Trial("counts", 0)) / "log.txt"
    assert failure["fix"] == f"see {log}" and "no more numbers" in log.read_text()
    assert capfd.readouterr() == ("", "")


def test_a_node_that_is_lost_again_and_again_is_a_failure_in_words(
    counting: Path, tmp_path: Path, cluster: ray_engine.Cluster, notes: Path
) -> None:
    gone: set[int] = set()

    def watch(event: Event) -> None:
        for one in noted(notes):
            if one["parent"] not in gone:
                gone.add(one["parent"])
                os.kill(one["parent"], signal.SIGKILL)

    document = run_study(counting, runs=tmp_path / "runs", engine="ray", watch=watch)
    failure = Ledger.open(Path(document.run)).measures(Trial("counts", 0))["failure"]
    assert (
        len(gone) == 2 and failure["what"].startswith("The Ray node or process of this trial was lost 2 times") and failure["fix"]
    )
    wait_for(lambda: not of_this_run(Path(document.run).name))


def test_ctrl_c_stops_the_tasks_and_the_run_goes_on_locally(
    counting: Path, tmp_path: Path, cluster: ray_engine.Cluster, notes: Path
) -> None:
    def watch(event: Event) -> None:
        if event.kind == "progress" and list((tmp_path / "runs").glob("*/trials/counts/0/checkpoint/count.json")):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_study(counting, runs=tmp_path / "runs", engine="ray", watch=watch)
    (run,) = (tmp_path / "runs").iterdir()
    assert not of_this_run(run.name) and not (run / "verdict.json").exists()
    (notes / "enough").touch()
    document = run_study(run, resume=True)
    assert noted(notes)[-1]["began"] > 0
    assert {a.name: a.status for a in document.approaches} == {"counts": "done"}


@pytest.mark.slow
def test_a_bench_that_is_killed_leaves_nothing_that_trains(counting: Path, tmp_path: Path, notes: Path) -> None:
    """SIGKILL of the bench alone, with a cluster of its own: workers, tasks and Ray itself go with it."""
    command = [
        sys.executable,
        "-m",
        "bakeoff.cli.main",
        "run",
        str(counting),
        "--engine",
        "ray",
        "--runs",
        str(tmp_path / "runs"),
        "--quiet",
    ]
    bench = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    wait_for(lambda: noted(notes) or bench.poll() is not None, 120)
    assert bench.poll() is None, bench.stdout.read() if bench.stdout else b""
    (run,) = (tmp_path / "runs").iterdir()
    wait_for(lambda: list(run.glob("trials/counts/0/checkpoint/count.json")))
    training = of_this_run(run.name)
    family = psutil.Process(bench.pid).children(recursive=True)
    assert training and any("raylet" in one.name() for one in family)
    bench.kill()
    bench.communicate()
    _, left = psutil.wait_procs([*training, *family], timeout=60)
    assert left == [] and not of_this_run(run.name)
    (notes / "enough").touch()
    done = subprocess.run(
        [sys.executable, "-m", "bakeoff.cli.main", "run", str(run), "--resume", "--engine", "ray", "--quiet"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == "" and (run / "verdict.json").is_file()
    assert [one["began"] > 0 for one in noted(notes)] == [False, True]


# -- without one ----------------------------------------------------------------------------------------------------


def test_a_cluster_that_cannot_be_reached_is_said_in_two_lines(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for address, says in {
        f"127.0.0.1:{port}": "cannot be reached",
        "ray://a:1": "Ray client",
        "nowhere": "no HOST:PORT",
        "a:99999": "no HOST:PORT",
    }.items():
        monkeypatch.setenv("RAY_ADDRESS", address)
        with pytest.raises(RunError, match=says) as caught:
            ray_engine.connect(1)
        assert "\n" not in caught.value.what and caught.value.fix
    env = {**os.environ, "RAY_ADDRESS": f"127.0.0.1:{port}"}
    command = [
        sys.executable,
        "-m",
        "bakeoff.cli.main",
        "run",
        str(study),
        "--engine",
        "ray",
        "--runs",
        str(tmp_path / "runs"),
        "--quiet",
    ]
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    assert done.returncode == 1 and done.stdout == "" and len(done.stderr.splitlines()) == 2
    assert done.stderr.startswith(f"error: The Ray cluster at '127.0.0.1:{port}' cannot be reached")


def test_without_ray_the_extra_is_named_before_anything_is_read(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "ray" else find(name))
    with pytest.raises(MissingExtra, match="--engine ray") as caught:
        prepare(
            read_study(study).model_copy(update={"task": "text"}),
            base=tmp_path,
            settings=Settings(tmp_path / "runs", engine="ray"),
        )
    assert "bakeoff[ray]" in caught.value.fix and not (tmp_path / "runs").exists()


def order(ledger: Ledger, approach: str, **more: Any) -> dict[str, Any]:
    return {
        "name": ledger.name, "approach": approach, "seed": 0, "fraction": 1.0, "threads": 1, "version": __version__,
        "variables": {"BAKEOFF_HOME": "/nowhere", "BAKEOFF_MARK": "1"}, "cwd": "/nowhere", "checkpoint_seconds": 60.0, **more,
    }  # fmt: skip


def on_a_node(ledger: Ledger, approach: str, **more: Any) -> list[dict[str, Any]]:
    """What a task says, run here: the run's folder is out of reach meanwhile, as on another machine."""
    shared = {"run": shipping.of_run(ledger), "code": shipping.code_beside(ledger)}
    away = ledger.folder.with_name("away")
    ledger.folder.rename(away)
    try:
        return list(ray_task.work(order(ledger, approach, **more), shared, {}))
    finally:
        away.rename(ledger.folder)


def test_a_node_that_cannot_run_it_says_why(study: Path, tmp_path: Path) -> None:
    ledger = prepare(read_study(study), base=tmp_path, settings=Settings(tmp_path / "runs"))
    *_, last = on_a_node(ledger, "majority", version="0.0.1")
    assert last["event"] == "refused" and "Bakeoff" in last["what"] and "0.0.1" in last["what"] and "same version" in last["fix"]
    about = json.loads((ledger.folder / "data.json").read_text())
    (ledger.folder / "data.json").write_text(json.dumps({**about, "material": "/no/such/pictures"}))
    *_, last = on_a_node(ledger, "majority")
    assert last["event"] == "refused" and "/no/such/pictures" in last["what"] and "share" in last["fix"]


def test_an_environment_of_ones_own_comes_along(tmp_path: Path) -> None:
    """A module beside the study, and one that it imports, on a node where that folder does not exist."""
    home = tmp_path / "mine"
    home.mkdir()
    (home / "helper.py").write_text("REWARD = 2.5\n")
    (home / "alley.py").write_text(
        "import gymnasium, numpy as np\nfrom helper import REWARD\n\n\nclass Alley(gymnasium.Env):\n"
        "    observation_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)\n    action_space = gymnasium.spaces.Discrete(2)\n"
        "    def reset(self, *, seed=None, options=None):\n        super().reset(seed=seed)\n        self.left = 4\n        return np.zeros(2, np.float32), {}\n"
        "    def step(self, action):\n        self.left -= 1\n        return np.zeros(2, np.float32), REWARD, self.left == 0, False, {}\n"
    )
    text = (
        "study: own\ntask: control\ndata: {environment: 'alley:Alley', episodes: 4, valid: 1}\napproaches: [random]\nseeds: 1\n"
    )
    (home / "own.yaml").write_text(text)
    ledger = prepare(read_study(home / "own.yaml"), base=home, settings=Settings(tmp_path / "runs"))
    code = shipping.code_beside(ledger)
    assert {folder: sorted(files) for folder, files in code.items()} == {str(home): ["alley.py", "helper.py"]}
    shared = {"run": shipping.of_run(ledger), "code": code}
    assert shipping.same_there(str(home), code[str(home)])
    home.rename(tmp_path / "elsewhere")
    assert not shipping.same_there(str(home), code[str(home)])
    said = list(ray_task.work(order(ledger, "random"), shared, {}))
    assert said[0] == {"event": "began"} and said[-1]["event"] == "landed" and said[-1]["code"] == 0, said[-1]
    assert not Path(said[-1]["there"]).exists()  # nothing stays on the node
    trial = Trial("random", 0)
    shipping.land(ledger, trial, said[-1]["files"], there=said[-1]["there"])
    assert [answer.value for answer in ledger.answers(trial).values()] == [10.0] * 4
    assert (ledger.trial_folder(trial) / "model" / "agent.json").is_file()


def test_files_that_lead_out_of_the_folder_are_refused(study: Path, tmp_path: Path) -> None:
    ledger = prepare(read_study(study), base=tmp_path, settings=Settings(tmp_path / "runs"))
    trial = Trial("majority", 0)
    for name in ("../../verdict.json", "/etc/passwd", "model/../../x", "", ".lock", "a/.hidden", "a\\b"):
        with pytest.raises(RunError, match="nowhere in its folder"):
            shipping.land(ledger, trial, {name: b"x"})
        with pytest.raises(RunError, match="nowhere in its folder"):
            shipping.unpack({name: b"x"}, tmp_path / "to")
    assert not (tmp_path / "to").exists() and not ledger.trial_folder(trial).exists()


def test_a_checkpoint_is_replaced_whole_and_its_snapshot_is_of_one_moment(study: Path, tmp_path: Path) -> None:
    ledger = prepare(read_study(study), base=tmp_path, settings=Settings(tmp_path / "runs"))
    trial = Trial("majority", 0)
    for round_ in (b"1", b"2"):
        shipping.keep_checkpoint(ledger, trial, {"a.bin": round_, "logs/b.txt": round_ * 3})
        assert shipping.snapshot(ledger.checkpoint_folder(trial)) == {"a.bin": round_, "logs/b.txt": round_ * 3}
    assert [one.name for one in ledger.trial_folder(trial).iterdir()] == ["checkpoint"]
    assert shipping.snapshot(tmp_path / "none") == {}


def test_what_a_killed_process_left_is_removed_and_what_is_in_use_is_not() -> None:
    prefix = f"bakeoff-test-{os.getpid()}-"
    with shipping.scratch(prefix) as used:
        (used / "file").write_text("x")
        code = f"import os\nfrom bakeoff.run.shipping import scratch\nwith scratch({prefix + 'killed-'!r}) as f:\n    print(f, flush=True)\n    os.kill(os.getpid(), 9)"
        left = Path(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip())
        assert left.is_dir()
        with shipping.scratch(prefix) as another:
            assert another != used and (used / "file").exists() and not left.exists()
    assert not used.exists() and not another.exists()
