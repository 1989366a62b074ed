"""Running a workflow."""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from shared_constructs.direct_api.bindings import Bindings
from shared_constructs.direct_api.described import of_document, of_model
from shared_constructs.direct_api.integration import MethodIntegration, statement
from shared_constructs.direct_api.outcomes import INTERNAL, PROBLEM_TYPE, TIMED_OUT, Problem, Succeed
from shared_constructs.direct_api.vtl import (
    JSON,
    JSON_IN_STRING,
    first_of,
    json_constant,
    json_string,
    literal,
    when,
)
from shared_constructs.express_workflow import ExpressWorkflow, StandardWorkflow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_cdk import aws_stepfunctions as sfn
    from pydantic import BaseModel

    from shared_constructs.direct_api.values import Document, Part, Text
    from shared_constructs.rollout import WorkflowRollout

_TITLES: Final = {str(each.value): each.phrase for each in HTTPStatus if each >= HTTPStatus.BAD_REQUEST}


@dataclass(frozen=True, kw_only=True)
class StartWorkflow:
    r"""Run a state machine.

    With `wait` the Express workflow runs within the request (29 seconds at most), and its output is the answer:

    - `{"problem": {"status": 422, "detail": "…"}}`: a business rejection. The route makes it a complete RFC 9457
      document: `type` (`about:blank`), `title` (the status's name) and `instance` (the request's id) are added where
      the workflow gives none; any further members (`errors: [{"pointer": "#/items/0", "detail": "…"}]`, …) are kept.
      `problem` must be the output's only member.
    - `{"statusCode": 202, "headers": {"Location": "…"}, "body": "<JSON text>"}`: a success with a status (2xx or 3xx)
      and the headers Location, ETag or Retry-After.
    - anything else: the body itself, answered with `status`.

    A workflow that fails or times out, or whose problem lacks a status of 400 to 599 or a detail, answers 500 or 504
    without its cause; `failures` gives the errors of Fail states answers of their own. A caller's fault is an output,
    since a failed execution counts for the workflow's alarm.

    Attributes:
        workflow: The workflow, or an imported state machine.
        input: Of the workflow; `body()` for the whole body.
        request: Model of the body.
        wait: StartSyncExecution instead of StartExecution.
        failures: Error name -> answer of 500 or more.
        execution_name: Of a Standard workflow without `wait`; starting it again is success.
        response: Body of the answer without `wait`.
        output: Model of the body that the workflow answers with, with `wait`: published, and the tests hold it to that.
        status: Of success; 200 with `wait`, else 202.
    """

    workflow: ExpressWorkflow | StandardWorkflow | sfn.IStateMachine
    input: Mapping[str, Document]
    request: type[BaseModel] | None = None
    wait: bool = True
    failures: Mapping[str, Problem] = field(default_factory=dict)
    execution_name: Part | Text | None = None
    response: Mapping[str, Document] = field(default_factory=dict)
    output: type[BaseModel] | None = None
    status: int | None = None

    def __post_init__(self) -> None:
        if self.wait and (self.execution_name or self.response):
            raise ValueError(
                "execution_name and response are for wait=False: a workflow that is waited for answers with its output"
            )
        if self.wait and isinstance(self.workflow, StandardWorkflow):
            raise ValueError(
                "a StandardWorkflow cannot be waited for, only an ExpressWorkflow; give wait=False"
            )
        if not self.wait and self.failures:
            raise ValueError(
                "failures need wait=True: a workflow that is only started cannot be seen to fail"
            )
        for name, answer in self.failures.items():
            if answer.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                raise ValueError(
                    f"failures answer 500 or more, got {answer.status} for {name}: what a caller does wrong is an"
                    ' output {"problem": …} of the workflow, for failed executions wake somebody'
                )
        if not self.wait and self.output:
            raise ValueError("output needs wait=True: nobody waits for what is only started; give response")

    @property
    def rollout(self) -> WorkflowRollout | None:
        """How a new version takes over of a workflow of ours that callers wait for; None of any other."""
        return self.workflow.rollout if self.wait and isinstance(self.workflow, ExpressWorkflow) else None

    def integration(self) -> MethodIntegration:
        """Write the templates."""
        machine = self.workflow
        if isinstance(machine, ExpressWorkflow | StandardWorkflow):
            machine = machine.resources.state_machine
        started = self.rollout.alias.ref if self.rollout else machine.state_machine_arn
        request, answer, failure = Bindings(self.request), Bindings.of_answer(), Bindings.of_answer()
        action = "StartSyncExecution" if self.wait else "StartExecution"
        arn = json_string(started)
        name = f'"name":"{request.string(self.execution_name, JSON)}",' if self.execution_name else ""
        status = self.status or (200 if self.wait else 202)
        # The same name again is the same request again.
        repeated = Succeed(status).headers() + failure.document(self.response, JSON)
        return MethodIntegration(
            service="states",
            action=action,
            call=f'{{"stateMachineArn":{arn},{name}\n"input":"{request.document(self.input, JSON_IN_STRING)}"}}',
            refused=f'{{"stateMachineArn":{arn},"input":"not acceptable"}}',
            content=self._outcome() if self.wait else answer.document(self.response, JSON),
            status=status,
            response=self._response(),
            expected_error=("ExecutionAlreadyExists", repeated) if self.execution_name else None,
            # Of the state machine, when an alias is started, too:
            # https://docs.aws.amazon.com/step-functions/latest/dg/auth-version-alias.html
            permissions=[statement(f"states:{action}", machine.state_machine_arn)],
            request=request,
            answer=answer,
            failure=failure,
        )

    def _response(self) -> dict[str, Any] | None:
        if not self.wait:
            return of_document(self.response, self.request)
        return of_model(self.output) if self.output else None

    def _outcome(self) -> str:
        branches = [
            ('$state == "SUCCEEDED"', _OUTPUT),
            *((f"$error == {literal(name)}", problem.template()) for name, problem in self.failures.items()),
            ('$state == "TIMED_OUT"', TIMED_OUT.template()),
        ]
        return (
            "#set($state = $input.path('$.status'))\n#set($state = \"$!state\")\n"
            "#set($error = $input.path('$.error'))\n#set($error = \"$!error\")\n"
            f"{first_of(branches, INTERNAL.template())}"
        )


_HEADERS_SET: Final = "#set($headers = $output.get('headers'))" + "".join(
    when(
        f"$headers.containsKey('{name}')",
        f"#set($context.responseOverride.header.{name} = $headers.get('{name}'))",
    )
    for name in ("Location", "ETag", "Retry-After")
)
# The problem's text is kept as it is, since a template cannot write an object of unknown members: what stands before
# the first of them is put after those that are added, what stands after the last one is dropped.
_PROBLEM: Final = (
    f"#set($titles = {json_constant(_TITLES)})#set($title = $titles.get($status))"
    '#if("$!title" == "")#set($title = "Error")#end'
    f"#set($context.responseOverride.status = $problem.get('status')){PROBLEM_TYPE}"
    "#set($members = $text.replaceAll('^[^{]*[{][^{]*[{]','').replaceAll('[}][^}]*[}][^}]*$','}')){"
    + "".join(
        when(f"!$problem.containsKey('{name}')", f'"{name}":"{value}",')
        for name, value in (("type", "about:blank"), ("title", "$title"), ("instance", "$context.requestId"))
    )
    + "$members"
)
_IS_PROBLEM: Final = r"""$text.matches('[{]\s*"problem"\s*:\s*[{][\s\S]*')"""
_IS_COMPLETE: Final = (
    "$output.size() == 1 && $status.matches('[45][0-9][0-9]') && \"$!problem.get('detail')\" != \"\""
)
_REJECTED: Final = (
    "#set($problem = $output.get('problem'))#set($status = \"$!problem.get('status')\")\n"
    + first_of([(_IS_COMPLETE, _PROBLEM)], INTERNAL.template())
)
_CHOSEN: Final = (
    f"#set($context.responseOverride.status = $output.get('statusCode')){_HEADERS_SET}\n$!output.get('body')"
)
_ACCEPTED: Final = "#set($status = \"$!output.get('statusCode')\")\n" + first_of(
    [('$status == ""', "$text"), ("$status.matches('[23][0-9][0-9]')", _CHOSEN)], INTERNAL.template()
)
_OUTPUT: Final = "#set($text = $input.path('$.output'))\n#set($output = $util.parseJson($text))\n" + first_of(
    [(_IS_PROBLEM, _REJECTED)], _ACCEPTED
)
