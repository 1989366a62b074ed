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


def test_the_example_is_synthesized(tmp_path, monkeypatch):
    """`make split` does everything that the README says, from the wheel alone and with the CDK's own validation."""
    monkeypatch.setenv("CDK_VALIDATION", "false")
    monkeypatch.setenv("CDK_OUTDIR", str(tmp_path / "cdk.out"))
    monkeypatch.setenv("CDK_CONTEXT_JSON", '{"stage": "prod"}')
    monkeypatch.setenv("COMMERCE_CACHE_DIR", str(tmp_path / "cache"))
    done = subprocess.run(
        [sys.executable, str(EXAMPLE)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert list((tmp_path / "cdk.out").glob("commerce-prod-*.template.json"))
