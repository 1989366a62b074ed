"""What the README says works as it is written."""

import re
import subprocess
import sys
from pathlib import Path

LIBRARY = Path(__file__).parents[2]
EXAMPLE = LIBRARY / "examples" / "notes.py"


def test_the_readme_shows_the_example_that_is_type_checked():
    (shown,) = re.findall(r"```python\n# app\.py\n(.*?)```", (LIBRARY / "README.md").read_text(), re.DOTALL)
    assert shown == EXAMPLE.read_text()


def test_the_example_is_synthesized_and_the_documented_lint_finds_nothing(tmp_path, monkeypatch):
    monkeypatch.delenv("CDK_VALIDATION", raising=False)
    monkeypatch.setenv("CDK_OUTDIR", str(tmp_path / "cdk.out"))
    monkeypatch.setenv("CDK_CONTEXT_JSON", '{"stage": "prod"}')
    monkeypatch.setenv("COMMERCE_CACHE_DIR", str(tmp_path / "cache"))
    for command in ([str(EXAMPLE)], ["-m", "service_lint", "cdk.out"]):
        done = subprocess.run(
            [sys.executable, *command], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
