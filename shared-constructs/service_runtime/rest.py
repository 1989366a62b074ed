"""REST handlers: a router whose every error is a problem document and whose every line is correlated.

Not Powertools' resolvers: importing one loads them all, those for AppSync and Bedrock with asyncio included, a hundred
modules more at every cold start.
"""

from __future__ import annotations

import base64
import inspect
import json
import os
import re
from dataclasses import dataclass, field
from functools import cached_property, partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeVar, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from service_runtime.envelope import correlation_id_or_new
from service_runtime.observability import business_context, logger
from service_runtime.problems import CONTENT_TYPE, Problem
from service_runtime.retries import THROTTLED, error_codes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

JSON: Final = "application/json"
CORRELATION_HEADER = "X-Correlation-Id"
ORIGINS_VARIABLE = "CORS_ORIGINS"
EVERY_ROUTES_PROBLEMS: Final[dict[int, str]] = {
    HTTPStatus.BAD_REQUEST: "The request is not valid.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: f"The body must be {JSON}.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "The request could not be processed.",
    HTTPStatus.SERVICE_UNAVAILABLE: "The service is busy; try again.",
}
# Behind a custom domain, a proxy event's path begins with the base path that holds the API's major version.
_BASE_PATH = re.compile(r"^/v[1-9][0-9]*(?=/)")
_NAME_IN_PATH = re.compile(r"<(\w+)>")
# RFC 3986's characters, and those that API Gateway has decoded already.
_VALUE_IN_PATH = r"(?P<\1>[-._~()'!*:@,;=+&$%<> \\[\\]{}|^\\w]+)"

FunctionT = TypeVar("FunctionT", bound="Callable[..., Any]")


def request_correlation_id(event: Mapping[str, Any]) -> str:
    """Correlation id of an API Gateway request: the caller's if acceptable, else the request's own id.

    Args:
        event: The proxy event.
    """
    given = _header(event, CORRELATION_HEADER)
    if given and correlation_id_or_new(given) == given:
        return given
    return correlation_id_or_new(_gateway(event).get("requestId"))


@dataclass(frozen=True, kw_only=True)
class Route:
    """A method of a path, and the function that answers it.

    Attributes:
        method: HTTP method.
        path: With its parameters in angle brackets, `/carts/<cart_id>`.
        function: Takes the path's parameters by name and, as one more parameter, the body.
        status: Of success, where there is a body; without one it is 204.
        problems: Status and detail of each problem of the route's own.
    """

    method: str
    path: str
    function: Callable[..., Any]
    status: HTTPStatus = HTTPStatus.OK
    problems: Mapping[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a function that cannot be given its arguments.

        Raises:
            ValueError: It does not take the path's parameters and at most one body.
        """
        taken = inspect.signature(self.function).parameters
        missing, bodies = set(self.names) - set(taken), set(taken) - set(self.names)
        if missing or len(bodies) > 1:
            raise ValueError(
                f"{self.function.__name__} must take {self.names} of {self.path} and at most one body, "
                f"got {tuple(taken)}"
            )

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of the parameters in the path."""
        return tuple(_NAME_IN_PATH.findall(self.path))

    @cached_property
    def hints(self) -> dict[str, Any]:
        """Type of each parameter, and of what is returned."""
        return get_type_hints(self.function, include_extras=True)

    def match(self, method: str, path: str) -> dict[str, str] | None:
        """The values of the path's parameters; None for a request of another route."""
        found = self._pattern.fullmatch(path) if method == self.method else None
        return found and found.groupdict()

    def arguments(self, path: Mapping[str, str], body: object) -> dict[str, Any]:
        """What the function is called with.

        Raises:
            Problem: 400. Faults of the body are named one by one, those of parameters in the detail, as direct routes do.
        """
        arguments: dict[str, Any] = {}
        errors: list[dict[str, str]] = []
        details = [EVERY_ROUTES_PROBLEMS[HTTPStatus.BAD_REQUEST]]
        for name, adapter in self._adapters.items():
            given = path.get(name, body)
            if given is None:
                errors.append({"pointer": "#", "detail": "Field required"})
                continue
            try:
                # From attributes: what it says of a body that is no object then names no class of ours.
                arguments[name] = adapter.validate_python(given, from_attributes=True)
            except ValidationError as error:
                faults = error.errors(include_url=False, include_context=False, include_input=False)
                if name in path:
                    details += [f"path {name}: {fault['msg']}." for fault in faults]
                else:
                    errors += [
                        {"pointer": _pointer(fault["loc"]), "detail": fault["msg"]} for fault in faults
                    ]
        if errors or details[1:]:
            raise Problem(HTTPStatus.BAD_REQUEST, detail=" ".join(details), errors=errors)
        return arguments

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(_NAME_IN_PATH.sub(_VALUE_IN_PATH, self.path) + "/*")

    @cached_property
    def _adapters(self) -> dict[str, TypeAdapter[Any]]:
        return {name: TypeAdapter(hint) for name, hint in self.hints.items() if name != "return"}


class RestRouter:
    """Answers API Gateway's proxy events; takes JSON only, and log lines and answers carry the correlation id.

    A route's function gets the path's parameters and the body as its annotations say; what it returns, a model or a JSON
    value, is the body of the answer, and 204 answers for nothing. Every error is a problem document (RFC 9457), of one
    shape with those of API Gateway's direct routes: a `Problem` answers as it says; arguments that are not valid are 400
    with one entry per fault of the body; a path with a control character is 400; an unknown route is 404; a throttled
    AWS call is 503; anything else is logged with its cause and answered 500 without it.

    Examples:
        >>> router = RestRouter(origins=())
        >>> @router.get("/things/<thing>")
        ... def show(thing: str) -> dict[str, str]:
        ...     return {"thing": thing}
        >>> router({"httpMethod": "GET", "path": "/things/a"}, None)["body"]
        '{"thing":"a"}'

    Args:
        origins: Browser origins that may read the answers, `*` for any.

    Attributes:
        routes: In the order in which they are tried.
        current_event: The proxy event that is being answered.
    """

    current_event: Mapping[str, Any]

    def __init__(self, *, origins: Sequence[str]) -> None:
        self.routes: list[Route] = []
        self._origins = origins
        self._problems: dict[type[Exception], Callable[[Any], Problem]] = {}
        self.get = partial(self.route, "GET")
        self.put = partial(self.route, "PUT")
        self.post = partial(self.route, "POST")
        self.delete = partial(self.route, "DELETE")

    def route(
        self,
        method: str,
        path: str,
        *,
        status: HTTPStatus = HTTPStatus.OK,
        problems: Mapping[int, str] | None = None,
    ) -> Callable[[FunctionT], FunctionT]:
        """Register the function that answers a method of a path.

        Args:
            method: HTTP method; `get`, `put`, `post` and `delete` have it set.
            path: With its parameters in angle brackets, `/carts/<cart_id>`.
            status: Of success, where there is a body.
            problems: Status and detail of each problem of the route's own: published, and nothing at run time.
        """

        def register(function: FunctionT) -> FunctionT:
            self.routes.append(
                Route(method=method, path=path, function=function, status=status, problems=problems or {})
            )
            return function

        return register

    def problem_of(self, error: type[Exception], problem: Callable[[Any], Problem]) -> None:
        """Answer an exception of the service's own with a problem.

        Args:
            error: The exception's class; its subclasses are answered likewise.
            problem: Makes the problem.
        """
        self._problems[error] = problem

    def __call__(self, event: dict[str, Any], _context: object) -> dict[str, Any]:
        """Serve one API Gateway proxy event."""
        correlation_id = request_correlation_id(event)
        with business_context(correlation_id=correlation_id):
            try:
                answer = self._answer(event)
            except Exception as error:  # noqa: BLE001 - every error has an answer
                problem = self._problem(error)
                instance = _gateway(event).get("requestId") or correlation_id
                document = json.dumps(problem.document(instance=instance))
                answer = _response(
                    problem.status, document, {"Content-Type": CONTENT_TYPE, **problem.headers}
                )
        given = {CORRELATION_HEADER: correlation_id, **self._cors_headers(event)}
        answer["multiValueHeaders"].update(_lists(given))
        return answer

    def _answer(self, event: dict[str, Any]) -> dict[str, Any]:
        """Let the route's function answer.

        Raises:
            Problem: The request is not valid, or for no route.
        """
        path, body = _path(event), _json_body(event)
        self.current_event = event
        for route in self.routes:
            values = route.match(event["httpMethod"], path)
            if values is not None:
                answer = route.function(**route.arguments(values, body))
                if answer is None:
                    return _response(HTTPStatus.NO_CONTENT, "", {})
                return _response(
                    route.status, to_json(answer, by_alias=True).decode(), {"Content-Type": JSON}
                )
        raise Problem(HTTPStatus.NOT_FOUND, detail="Not found")

    def _problem(self, error: Exception) -> Problem:
        for each in type(error).__mro__:
            if each in self._problems:
                return self._problems[each](error)
        return error if isinstance(error, Problem) else _unexpected(error)

    def _cors_headers(self, event: Mapping[str, Any]) -> dict[str, str]:
        """On every answer, problems included; the preflight is the gateway's."""
        exposed = {"Access-Control-Expose-Headers": f"{CORRELATION_HEADER},Retry-After"}
        if "*" in self._origins:
            return {"Access-Control-Allow-Origin": "*", **exposed}
        caller = _header(event, "Origin")
        if caller and caller in self._origins:
            return {"Access-Control-Allow-Origin": caller, **exposed, "Vary": "Origin"}
        return {"Vary": "Origin"} if self._origins else {}


def rest_router(*, origins: Sequence[str] | None = None) -> RestRouter:
    """A router with request validation, problem documents, CORS and the correlation id in logs and answers.

    Args:
        origins: Browser origins that may read the answers; default those of the variable `CORS_ORIGINS`, separated
            by commas, none without it.
    """
    if origins is None:
        origins = tuple(filter(None, os.environ.get(ORIGINS_VARIABLE, "").split(",")))
    return RestRouter(origins=origins)


def claims(event: Mapping[str, Any]) -> Mapping[str, str]:
    """The claims that API Gateway has verified; none of a caller who is not signed in.

    Args:
        event: The proxy event.
    """
    return (_gateway(event).get("authorizer") or {}).get("claims") or {}


def _gateway(event: Mapping[str, Any]) -> Mapping[str, Any]:
    return event.get("requestContext") or {}


def _path(event: Mapping[str, Any]) -> str:
    """The path without what a custom domain puts before it.

    Raises:
        Problem: 400 for what cannot be printed.
    """
    path: str = event.get("path") or ""
    if not path.isprintable():
        raise Problem(HTTPStatus.BAD_REQUEST, detail="The path holds characters that cannot be printed.")
    return _BASE_PATH.sub("", path)


def _json_body(event: Mapping[str, Any]) -> object:
    """The body as JSON has it, or none.

    Integers of thousands of digits and JSON that is nested too deeply are refused as well.

    Raises:
        Problem: 415 for a body of another type, 400 for one that is not JSON.
    """
    body = event.get("body")
    if not body:
        return None
    given = _header(event, "Content-Type") or JSON
    if given.partition(";")[0].strip().lower() != JSON:
        raise Problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail=f"The body must be {JSON}, got {given[:100]!r}."
        )
    try:
        return json.loads(base64.b64decode(body) if event.get("isBase64Encoded") else body)
    except (ValueError, RecursionError) as error:
        raise Problem(HTTPStatus.BAD_REQUEST, detail="The body is not valid JSON.") from error


def _header(event: Mapping[str, Any], name: str) -> str | None:
    headers = event.get("headers") or {}
    return next((value for given, value in headers.items() if given.lower() == name.lower()), None)


def _response(status: HTTPStatus, body: str, headers: Mapping[str, str]) -> dict[str, Any]:
    """As API Gateway's proxy integration takes it."""
    return {
        "statusCode": status.value,
        "body": body,
        "isBase64Encoded": False,
        "multiValueHeaders": _lists(headers),
    }


def _lists(headers: Mapping[str, str]) -> dict[str, list[str]]:
    return {name: [value] for name, value in headers.items()}


def _pointer(location: Iterable[str | int]) -> str:
    """RFC 6901, as a URI fragment."""
    return "#" + "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)


def _unexpected(error: Exception) -> Problem:
    if error_codes(error) & THROTTLED:
        logger.warning("request throttled", exc_info=error)
        return Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            detail="The service is busy; try again.",
            headers={"Retry-After": "1"},
        )
    logger.error("request failed", exc_info=error)
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, detail="The request could not be processed.")
