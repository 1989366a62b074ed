"""The layer that every function of the platform runs on."""

from __future__ import annotations

from pathlib import Path

from constructs import Construct
from shared_constructs import DependencyLayer, ServiceStack
from shared_constructs.function import PLATFORM_LAYER_BYTES
from shared_constructs.validation import check_at_synth

MAJOR = 1
"""Raised when a package in the layer changes incompatibly; published beside the old one until nobody uses that."""

LOCK_FILE = Path(__file__).with_name("requirements.lock")


class RuntimeLayer(Construct):
    """Powertools, pydantic and `service_runtime`, published per account and pinned by major version.

    Versions are retained: a function keeps the version it was deployed with until it is deployed again. boto3 stays
    out, because Lambda's Python runtime brings it.

    Attributes:
        layer: The layer version.
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        stack = ServiceStack.of(self)
        self._dependencies = DependencyLayer(
            self,
            "Packages",
            lock_file=LOCK_FILE,
            packages=("service_runtime",),
            description=f"Runtime of the platform's functions, v{MAJOR}: Powertools, pydantic, service_runtime",
            retain=True,
        )
        self.layer = self._dependencies.resources.layer
        stack.export_parameter("runtime-layer-arn", self.layer.layer_version_arn, major=MAJOR)
        check_at_synth(self, self._oversize)

    def _oversize(self) -> list[str]:
        if self._dependencies.unzipped_bytes <= PLATFORM_LAYER_BYTES:
            return []
        return [
            f"the runtime layer may unzip to {PLATFORM_LAYER_BYTES} bytes, got {self._dependencies.unzipped_bytes}"
        ]
