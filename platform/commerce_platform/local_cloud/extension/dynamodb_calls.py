"""Functions call DynamoDB over a Unix socket, which spares both ends a signature and HTTP.

Adds to `core/lambda_runtime.py` (203) a step of the Python worker, which has boto3 call over the socket
(`dynamodb_channel`), and to `app.py` (3443) a server for it as long as the other one runs. Of a call's 0.9 ms of CPU in
the function signing and HTTP are 0.65, and of 0.58 ms in the emulator they are 0.35.

Nothing is added under IAM enforcement (`AUTH`), which needs the signature, and where there are no Unix sockets.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import tempfile
import uuid
from contextvars import Context
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import botocore
from ministack import app
from ministack.core import lambda_runtime, responses

from commerce_platform.local_cloud.dynamodb_channel import PINNED_BOTOCORE, REQUEST, RESPONSE, SOCKET_VARIABLE
from commerce_platform.local_cloud.extension.guard import EmulatorChangedError, Guard

if TYPE_CHECKING:
    from collections.abc import MutableMapping

GUARDS = (
    Guard("app._handle_lifespan", "0daf4cf135cf"),
    Guard("app._dispatch_service_request", "17e5ef6dcfa0"),
    Guard("app._send_response", "316290fa1412"),
    Guard("core.responses.set_request_account_id", "c064870580b1"),
    Guard("core.responses.set_request_region", "0f782f879866"),
    Guard("core.lambda_runtime.Worker._spawn", "c55febf95656"),
)

_STEP = "    _ms_install_invoke_depth()\n    try:\n"
_OUR_STEP = """\
    _ms_install_invoke_depth()
    try:
        from commerce_platform.local_cloud import dynamodb_channel
        dynamodb_channel.install()
    except ImportError:
        pass
    try:
"""


def apply() -> None:
    """Serve the socket, and tell the workers of it.

    Raises:
        EmulatorChangedError: The worker or botocore is not the one that this was written for.
    """
    if app.AUTH or not hasattr(socket, "AF_UNIX"):
        return
    if botocore.__version__ != PINNED_BOTOCORE:
        raise EmulatorChangedError(
            f"dynamodb_channel is for botocore {PINNED_BOTOCORE}, found {botocore.__version__}"
        )
    script = lambda_runtime._PYTHON_WORKER_SCRIPT
    if script.count(_STEP) != 1:
        raise EmulatorChangedError("ministack's Python worker no longer starts as the patch expects")
    lambda_runtime._PYTHON_WORKER_SCRIPT = script.replace(_STEP, _OUR_STEP)
    live = app._handle_lifespan

    async def live_listening(*channels: Any) -> None:
        # A folder of ours alone: whoever can connect needs no signature.
        folder = Path(tempfile.mkdtemp(prefix="dynamodb-"))
        path = os.environ[SOCKET_VARIABLE] = str(folder / "socket")
        try:
            async with await asyncio.get_running_loop().create_unix_server(Connection, path):
                await live(*channels)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    app._handle_lifespan = live_listening


class Connection(asyncio.Protocol):
    """One of a function's connections: a request, its answer, the next request."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._answering: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the end that answers are written to."""
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        """Answer once a request is there as a whole."""
        self._received += data
        if len(self._received) < REQUEST.size:
            return
        length_of_head, length = REQUEST.unpack_from(self._received)
        begin = REQUEST.size + length_of_head
        if len(self._received) < begin + length:
            return
        head, body = (
            self._received[REQUEST.size : begin].decode(),
            bytes(self._received[begin : begin + length]),
        )
        self._received.clear()
        # A context of its own, as the one of a request has no account or region of the last.
        access_key, region, target = head.split("\n")
        answering = self._answer(access_key, region, target, body)
        self._answering = asyncio.get_running_loop().create_task(answering, context=Context())

    async def _answer(self, access_key: str, region: str, target: str, body: bytes) -> None:
        try:
            status, headers, content = await _call(access_key, region, target, body)
        except Exception:
            # As boto3 sees a server that breaks: the connection ends, and its retries are what it is configured to do.
            self._transport.close()
            raise
        described = json.dumps(headers).encode()
        self._transport.write(RESPONSE.pack(status, len(described), len(content)) + described + content)


async def _call(
    access_key: str, region: str, target: str, body: bytes
) -> tuple[int, MutableMapping[str, str], bytes]:
    """What the emulator's own entry point (`app.app`) does with a signed request of a function."""
    async with app._get_reset_lock():
        pass
    responses.set_request_account_id(access_key)
    responses.set_request_region(region)
    headers = {
        "authorization": f"AWS4-HMAC-SHA256 Credential={access_key}/date/{region}/dynamodb/aws4_request",
        "content-type": "application/x-amz-json-1.0",
        "x-amz-target": target,
    }
    status, answered, content = await app._dispatch_service_request(
        "POST", "/", headers, body, {}, str(uuid.uuid4())
    )
    content = content if isinstance(content, bytes) else content.encode()
    lowered = {name.lower(): str(value) for name, value in answered.items()}
    return status, lowered | {"content-length": str(len(content)), "date": formatdate(usegmt=True)}, content
