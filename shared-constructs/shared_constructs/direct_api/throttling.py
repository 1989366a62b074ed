"""How many requests an API and its routes let through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import jsii
from aws_cdk import IAspect
from aws_cdk.aws_apigateway import CfnStage

if TYPE_CHECKING:
    from constructs import IConstruct


@dataclass(frozen=True, kw_only=True)
class Throttle:
    """How many requests are let through; more are answered 429.

    Attributes:
        rate: Requests per second.
        burst: Requests at one instant.
    """

    rate: int
    burst: int

    def __post_init__(self) -> None:
        if self.rate < 1 or self.burst < 1:
            raise ValueError(f"Throttle needs rate and burst of at least 1, got {self.rate} and {self.burst}")


@jsii.implements(IAspect)
class MethodSettings:
    """Settings of a stage's methods, written at synth, when every route is known.

    Args:
        default: Throttle of the whole API.
    """

    def __init__(self, default: Throttle) -> None:
        self._throttles = {("*", "/*"): default}

    def limit(self, method: str, path: str, throttle: Throttle) -> None:
        """Give one route a throttle of its own."""
        self._throttles[method, "/" + path.replace("/", "~1")] = throttle

    def visit(self, node: IConstruct) -> None:
        """Write them into the stage."""
        if isinstance(node, CfnStage):
            node.method_settings = [
                CfnStage.MethodSettingProperty(
                    http_method=method,
                    resource_path=path,
                    throttling_rate_limit=throttle.rate,
                    throttling_burst_limit=throttle.burst,
                    logging_level="ERROR",
                    data_trace_enabled=False,
                    metrics_enabled=True,
                )
                for (method, path), throttle in self._throttles.items()
            ]
