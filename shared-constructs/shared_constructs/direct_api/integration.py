"""What every operation becomes: a call of an AWS service, and an answer for each of its outcomes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from aws_cdk import aws_iam as iam

from shared_constructs.direct_api import described
from shared_constructs.direct_api.bindings import Bindings
from shared_constructs.direct_api.outcomes import INTERNAL, UNAVAILABLE, Problem
from shared_constructs.direct_api.values import Context
from shared_constructs.direct_api.vtl import first_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import BaseModel

# Errors of the services that mean a bad value. A wrong expression of ours would look the same: tests find that.
_INVALID: Final = (
    "(ValidationException|SerializationException|InvalidParameter.*|InvalidExecutionInput|InvalidName|"
    "InvalidMessageContents|MissingParameter)"
)
# Errors that a repetition can cure.
_BUSY: Final = (
    "(ProvisionedThroughputExceededException|ThrottlingException|ThrottledException|Throttling|RequestLimitExceeded|"
    "RequestThrottled|TransactionConflictException|ReplicatedWriteConflictException|LimitExceededException|"
    "ExecutionLimitExceeded|ServiceQuotaExceededException|InternalServerError|InternalException|ServiceUnavailable)"
)


@dataclass(frozen=True, kw_only=True)
class MethodIntegration:
    """A call of an AWS service, ready to be attached to a method.

    Attributes:
        service: API Gateway's name of the AWS service.
        call: The request if every value is acceptable.
        refused: The request otherwise, which the service answers with 400 (templates cannot stop early).
        content: What a 2xx of the service is answered with.
        status: And its status.
        permissions: What the API's role needs.
        request: Variables of the request.
        answer: Variables of `content`.
        action: Of the service's API; or `path` for the path-style call.
        path: See `action`.
        headers: Static headers of the call.
        form: Whether the request is form-encoded, and a line break anywhere would belong to it.
        expected_error: Name of an error that has a meaning of its own, and the template of its answer.
        failure: Variables of that answer.
        response: JSON Schema of the body of a success; none for none, and none that is known for `{}`.
    """

    service: str
    call: str
    refused: str
    content: str
    status: int
    permissions: Sequence[iam.PolicyStatement]
    request: Bindings
    answer: Bindings
    action: str | None = None
    path: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    form: bool = False
    expected_error: tuple[str, str] | None = None
    failure: Bindings = field(default_factory=Bindings.of_answer)
    response: Mapping[str, Any] | None = None

    @property
    def contract(self) -> dict[str, Any]:
        """What the route promises and its templates alone know (see `described`)."""
        parameters = {
            (each.source, each.name): each
            for bindings in self.bindings
            for each in bindings.parameters.values()
        }
        return {"Response": self.response, "Parameters": described.of_parameters(parameters.values())}

    @property
    def bindings(self) -> tuple[Bindings, ...]:
        """The variables of all templates, for the route's checks."""
        return self.request, self.answer, self.failure

    def request_template(self) -> str:
        """Return the mapping template of the request."""
        if self.form:
            parts = f"{self.request.head()}#if($ok){self.call}#end#if(!$ok){self.refused}#end"
            return f"#set($ok = true){parts}".replace("\n", "")
        return f"#set($ok = true)\n{self.request.head()}\n#if($ok)\n{self.call}\n#else\n{self.refused}\n#end"

    def response_templates(self) -> dict[str, str]:
        """Return the mapping templates by what the service answered: 2xx (200), 4xx (400), anything else (500)."""
        return {
            "200": _answer(self.answer, self.content),
            "400": _answer(self.failure, self._told_apart()),
            "500": _answer(Bindings.of_answer(), UNAVAILABLE.template()),
        }

    def _told_apart(self) -> str:
        """AWS errors by `__type` (or SQS's Code)."""
        rules = self.request.rules()
        detail = "A value of the request is not acceptable." + (f" {'; '.join(rules)}." if rules else "")
        known = [
            *([self.expected_error] if self.expected_error else ()),
            (_INVALID, Problem(400, detail).template()),
            (_BUSY, UNAVAILABLE.template()),
        ]
        branches = [(f"$type.matches('(.*#)?{errors}')", answer) for errors, answer in known]
        return (
            "#set($type = $input.path('$.__type'))\n#set($type = \"$!type\")\n"
            '#if($type == "")#set($type = $input.path(\'$.Error.Code\'))#set($type = "$!type")#end\n'
            f"{first_of(branches, INTERNAL.template())}"
        )


def _answer(bindings: Bindings, content: str) -> str:
    """A response template; every answer carries the correlation id."""
    correlation = bindings.reference(Context.CORRELATION_ID)
    return f"{bindings.head()}\n#set($context.responseOverride.header.X-Correlation-Id = {correlation})\n{content}"


class Operation(Protocol):
    """An operation that becomes a call of an AWS service."""

    @property
    def request(self) -> type[BaseModel] | None:
        """The model that the body must fit."""

    def integration(self) -> MethodIntegration:
        """Write the templates."""


class BodilessOperation:
    """An operation whose requests have no body."""

    request: None = None


def statement(action: str, resource: str) -> iam.PolicyStatement:
    """Return the permission for one action on one resource."""
    return iam.PolicyStatement(actions=[action], resources=[resource])
