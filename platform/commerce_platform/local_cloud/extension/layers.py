"""A layer is unpacked once, not once per execution environment.

Replaces, in `core/lambda_runtime.py` (1176), the unpacking of every layer into a folder of each worker's own: workers
that start together, as for the first messages of a queue, unpack the same thousands of files at once, and the first
orders wait for it. The shared folder by content is the emulator's own, so far for containers only
(`services/lambda_svc.py`, 427). On AWS too a layer is read-only.
"""

from __future__ import annotations

from commerce_platform.local_cloud.extension.guard import Guard, edit

GUARDS = (
    Guard("core.lambda_runtime.Worker._spawn", "c55febf95656"),
    Guard("lambda_svc._docker_extracted_dir", "239f49998fef"),
)


def apply() -> None:
    """Take a layer from the shared folder; the passage that unpacks it is left behind unreached."""
    edit(
        "core.lambda_runtime.Worker._spawn",
        (
            "import _resolve_layer_zip\n",
            "import _docker_extracted_dir, _resolve_layer_zip\n",
        ),
        (
            "            layer_data = _resolve_layer_zip(layer_ref)\n",
            """\
            layer_data = _resolve_layer_zip(layer_ref)
            if layer_data:
                layers_dirs.append(_docker_extracted_dir(layer_data, "layer"))
            continue
""",
        ),
    )
