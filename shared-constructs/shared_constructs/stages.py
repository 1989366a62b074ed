"""Synthesize an app for several stages in one process: `python -m shared_constructs.stages app.py dev=OUT prod=OUT`.

Given to the CDK CLI as `--app`. The app runs first as the CLI asks, then for every further stage into its folder.
Starting the CDK and its rules takes ten times as long as synthesizing one more stage.
"""

from __future__ import annotations

import runpy
import sys

from shared_constructs.service import synthesizing


def main(script: str, *further: str) -> None:
    """Run an app's script for the stage that the CDK CLI has chosen, then for others.

    Args:
        script: The app's entry point.
        further: `stage=folder` of every other cloud assembly.
    """
    runpy.run_path(script, run_name="__main__")
    for each in further:
        stage, _, folder = each.partition("=")
        with synthesizing(stage=stage, outdir=folder):
            runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main(*sys.argv[1:])
