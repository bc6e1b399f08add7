"""What importing costs, told by what is imported and not by a clock; and the public surface."""

from __future__ import annotations

import json
import subprocess
import sys

import bakeoff

HEAVY = {
    "torch", "transformers", "sklearn", "pandas", "datasets", "peft", "onnxruntime", "scipy", "pyarrow", "cyllama", "tokenizers",
    "matplotlib", "jinja2", "httpx", "rich", "skops", "huggingface_hub",
}  # fmt: skip
PROBE = "import sys, json\n{}\nprint(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"


def loaded_by(code: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", PROBE.format(code)], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_bakeoff_imports_almost_nothing() -> None:
    loaded = loaded_by("import bakeoff")
    assert not HEAVY & loaded
    assert not {"numpy", "pydantic", "yaml", "click"} & loaded


def test_help_imports_the_command_line_only() -> None:
    loaded = loaded_by(
        "from bakeoff.cli.main import program\ntry: program.main(['--help'], standalone_mode=False)\nexcept SystemExit: pass"
    )
    assert not (HEAVY | {"numpy", "pydantic", "yaml"}) & loaded


def test_listing_approaches_imports_no_model_library() -> None:
    loaded = loaded_by("import bakeoff.cli.show as s; from pathlib import Path; s.rows('approaches', Path('runs'))")
    assert not {"torch", "transformers", "sklearn", "datasets", "peft", "onnxruntime", "cyllama"} & loaded


def test_the_contract_needs_only_the_standard_library() -> None:
    loaded = loaded_by("import bakeoff.contract, bakeoff.errors, bakeoff.registry")
    assert not (HEAVY | {"numpy", "pydantic", "yaml", "click"}) & loaded


def test_every_public_name_is_there() -> None:
    assert sorted(bakeoff.__all__) == dir(bakeoff)
    for name in bakeoff.__all__:
        assert getattr(bakeoff, name) is not None
    assert sorted(bakeoff.__all__[1:]) == list(bakeoff.__all__[1:])
