"""How a function's boto3 reaches DynamoDB here: over a socket of the emulator's instead of by signed HTTP.

Runs inside function workers, with nothing but the standard library and botocore. Replaces two methods of botocore's
`Endpoint`, between what the client does before (parameters, hooks, serialization) and after (retries, parsing,
exceptions): `create_request`, which signs, and `_send`, which speaks HTTP. So a caller gets what boto3 gives.

By HTTP still go: other services and endpoints, clients whose requests somebody else's hooks look at, clients that do not
sign, and every call while nobody listens at the socket.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from io import BufferedReader

PINNED_BOTOCORE = "1.43.106"
"""The version whose internals these are; with another, which a function may bring, calls go by HTTP."""

SOCKET_VARIABLE = "COMMERCE_DYNAMODB_SOCKET"
"""Environment variable with the socket's path; absent where DynamoDB is to be called by HTTP."""

REQUEST = struct.Struct("!II")
"""Before each request: how long are its head (access key, region and target, of a line each) and its body."""

RESPONSE = struct.Struct("!HII")
"""Before each response: its status, and how long are its headers (as JSON) and its body."""

_PASSED_EVENTS = ("request-created", "choose-signer", "before-sign", "before-send")
# Whose handlers only sign, and name the client and its retries in headers that the emulator does not read.
_PASSED_HANDLERS = frozenset(
    {
        "botocore.signers",
        "botocore.useragent",
        "botocore.handlers",
        "aws_lambda_powertools.shared.user_agent",
    }
)


class _Connections(threading.local):
    """Each thread's connection: a socket and its buffered reading end, if there is one."""

    kept: tuple[socket.socket, BufferedReader] | None = None


_connections = _Connections()


def install() -> None:
    """Have the clients that this process makes call DynamoDB over the socket that its environment names."""
    path = os.environ.pop(SOCKET_VARIABLE, None)
    if path is None:
        return
    try:
        import botocore  # noqa: PLC0415 - a function need not have it
    except ImportError:
        return
    if botocore.__version__ == PINNED_BOTOCORE:
        _replace(path, os.environ.get("AWS_ENDPOINT_URL", ""))
        os.register_at_fork(after_in_child=lambda: vars(_connections).clear())


def _replace(path: str, emulator: str) -> None:
    from botocore.awsrequest import AWSPreparedRequest  # noqa: PLC0415
    from botocore.endpoint import Endpoint  # noqa: PLC0415

    replaced: Any = Endpoint
    create_request, send = replaced.create_request, replaced._send

    class Passed(AWSPreparedRequest):
        """A request that is neither signed nor prepared for HTTP."""

        def __init__(self, params: dict[str, Any], operation: Any, access_key: str, region: str) -> None:
            super().__init__(
                params["method"], params["url"], params["headers"], params["body"], False, params["context"]
            )
            self.params, self.operation, self.config = params, operation, params["context"]["client_config"]
            self.head = "\n".join((access_key, region, params["headers"]["X-Amz-Target"])).encode()

    def create_passed(self: Any, params: dict[str, Any], operation_model: Any = None) -> Any:
        signer = _signer(self, params, operation_model, emulator)
        if signer is None:
            return create_request(self, params, operation_model)
        return Passed(params, operation_model, signer._credentials.access_key, signer._region_name)

    def send_passed(self: Any, request: Any) -> Any:
        if not isinstance(request, Passed):
            return send(self, request)
        connection = _connection(path, request.config)
        if connection is None:
            return send(self, create_request(self, request.params, request.operation))
        return _exchange(connection, request)

    replaced.create_request, replaced._send = create_passed, send_passed


def _signer(endpoint: Any, params: dict[str, Any], operation: Any, emulator: str) -> Any:
    """The signer whose credentials a request would be signed with, or None if it has to go by HTTP."""
    if operation is None or operation.service_model.service_name != "dynamodb":
        return None
    if (
        not emulator
        or params["url"].rstrip("/") != emulator.rstrip("/")
        or "X-Amz-Target" not in params["headers"]
    ):
        return None
    hooks = endpoint._event_emitter._emitter
    handlers = [
        handler
        for event in _PASSED_EVENTS
        for handler in _handlers(hooks, f"{event}.dynamodb.{operation.name}")
    ]
    if any(handler.__module__ not in _PASSED_HANDLERS for handler in handlers):
        return None
    signers = (handler.__self__ for handler in handlers if handler.__module__ == "botocore.signers")
    signer = next(signers, None)
    signs = (
        signer is not None and signer._credentials is not None and isinstance(signer._signature_version, str)
    )
    return signer if signs else None


def _handlers(hooks: Any, event: str) -> Any:
    """Look up an event's handlers as botocore's emitter does, in its cache, which a registration empties."""
    found = hooks._lookup_cache.get(event)
    if found is None:
        found = hooks._lookup_cache[event] = hooks._handlers.prefix_search(event)
    return found


def _connection(path: str, config: Any) -> tuple[socket.socket, BufferedReader] | None:
    """This thread's connection with the client's time limit, made if need be, or None if nobody listens."""
    from urllib3.util.wait import wait_for_read  # noqa: PLC0415 - botocore's own

    kept = _connections.kept
    if kept is not None and wait_for_read(kept[0], timeout=0):
        # Nothing was asked, so it has been closed.
        _forget()
        kept = None
    if kept is None:
        made = socket.socket(socket.AF_UNIX)
        try:
            made.settimeout(config.connect_timeout)
            made.connect(path)
        except OSError:
            made.close()
            return None
        kept = _connections.kept = made, made.makefile("rb")
    kept[0].settimeout(config.read_timeout)
    return kept


def _forget() -> None:
    if _connections.kept is not None:
        for end in reversed(_connections.kept):
            end.close()
        _connections.kept = None


def _exchange(connection: tuple[socket.socket, BufferedReader], request: Any) -> Any:
    """Ask and read the answer.

    Raises:
        botocore.exceptions.ReadTimeoutError: No answer within the client's `read_timeout`.
        botocore.exceptions.ConnectionClosedError: The emulator has gone.
    """
    from botocore.awsrequest import AWSResponse  # noqa: PLC0415
    from botocore.exceptions import ConnectionClosedError, ReadTimeoutError  # noqa: PLC0415

    ours, answers = connection
    try:
        ours.sendall(REQUEST.pack(len(request.head), len(request.body)) + request.head + request.body)
        status, length_of_headers, length = RESPONSE.unpack(_read(answers, RESPONSE.size))
        headers, content = json.loads(_read(answers, length_of_headers)), _read(answers, length)
    except TimeoutError as error:
        _forget()
        raise ReadTimeoutError(endpoint_url=request.url, error=error) from error
    except OSError as error:
        _forget()
        raise ConnectionClosedError(endpoint_url=request.url, error=error, request=request) from error
    except BaseException:
        # Interrupted by a signal's handler: the answer of this call must not become the next one's.
        _forget()
        raise
    response: Any = AWSResponse(request.url, status, headers, None)
    response._content = content
    return response


def _read(answers: BufferedReader, size: int) -> bytes:
    found = answers.read(size)
    if len(found) < size:
        raise ConnectionResetError("The local cloud has closed the connection.")
    return found
