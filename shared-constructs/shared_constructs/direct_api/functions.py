"""Letting a function answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared_constructs.function import ServiceFunction

if TYPE_CHECKING:
    from aws_cdk import aws_lambda as lambda_
    from pydantic import BaseModel


@dataclass(frozen=True, kw_only=True)
class InvokeFunction:
    """Let a function answer (AWS_PROXY).

    Attributes:
        function: It answers for itself, problems included (`service_runtime.rest.rest_router`).
        request: Model that API Gateway checks first. Python validators are allowed: the function runs the model again.
    """

    function: ServiceFunction | lambda_.IFunction
    request: type[BaseModel] | None = None

    @property
    def target(self) -> lambda_.IFunction:
        """What API Gateway calls: the alias of a `ServiceFunction`."""
        return self.function.resources.alias if isinstance(self.function, ServiceFunction) else self.function
