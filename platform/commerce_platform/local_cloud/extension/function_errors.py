"""A function's error is told as AWS tells it, in its answer and in its log; and one that cannot start says why.

Replaces: `core/lambda_runtime.py` (215), whose Python worker reports the message only of a handler's exception and of a
module that cannot be imported, and (1485), which ends the worker although the runtime lives on after a handled exception on
AWS; `services/lambda_svc.py` (5387), which names every exception `Runtime.HandlerError` or `RuntimeError` and logs nothing of
a start that has failed, and (3098), where a dry run does not look at the function at all.

**A dry run starts the function here**, and answers its error if it cannot start. On AWS it checks permissions only
(https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html): there is no other call by which to learn, before somebody
needs it, that what was deployed cannot be imported. The environment is kept; the invocation that is its first reports its
start, as ever.
"""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ministack.core import lambda_runtime
from ministack.core.responses import get_account_id, get_region, new_uuid
from ministack.services import apigateway_v1, lambda_svc

from commerce_platform.local_cloud.extension.guard import EmulatorChangedError, Guard, edit

if TYPE_CHECKING:
    from collections.abc import Mapping

GUARDS = (
    Guard("core.lambda_runtime.Worker.invoke", "96751a754710"),
    Guard("core.lambda_runtime.Worker._spawn", "c55febf95656"),
    Guard("core.lambda_runtime.acquire_worker", "5017d144adb5"),
    Guard("lambda_svc._execute_function_warm", "62b9218bef5b"),
    Guard("lambda_svc._invoke", "ab193779e5c2"),
    Guard("apigateway_v1._lambda_proxy_response", "3a5b91b76870"),
)

Json = dict[str, Any]
Response = tuple[int, dict[str, str], bytes]

# Passages of the worker's script, and what tells errors in their place.
_SCRIPT = (
    (
        '"error": str(e), "trace": traceback.format_exc()}',
        '"error": str(e), "type": type(e).__name__, "stack": traceback.format_tb(e.__traceback__)}',
    ),
    (
        'json.dumps({"status": "error", "error": str(e)})',
        'json.dumps(_ms_fault(e, init, "mod" in locals() and "handler_fn" not in locals()))',
    ),
)
# The names of errors are the runtime's: https://github.com/aws/aws-lambda-python-runtime-interface-client
_FAULT = """
def _ms_fault(error, init, is_loaded):
    module, handler = init["module"], init["handler"]
    kind, text = type(error).__name__, str(error)
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename not in (__file__, importlib.__file__) and not frame.filename.startswith("<frozen")
    ]
    stack = traceback.format_list(frames)
    if is_loaded:
        kind, text = "Runtime.HandlerNotFound", f"Handler {handler!r} missing on module {module!r}"
    elif isinstance(error, ImportError):
        kind, text = "Runtime.ImportModuleError", f"Unable to import module {module!r}: {error}"
    elif isinstance(error, SyntaxError):
        kind, text = "Runtime.UserCodeSyntaxError", f"Syntax error in module {module!r}: {error}"
        stack = [f'  File "{error.filename}", line {error.lineno}\\n    {error.text}']
    stack = [line.replace(init["code_dir"], "/var/task") for line in stack]
    return {"status": "error", "error": text, "type": kind, "stack": stack}

"""


class StartError(RuntimeError):
    """A function's execution environment could not be started.

    Args:
        answer: What its worker has answered.
    """

    def __init__(self, answer: Json) -> None:
        super().__init__(answer.get("error"))
        self.body = _error(str(answer.get("error")), answer.get("type"), answer.get("stack"))


def apply() -> None:
    """Report class and stack, keep the worker, and start a function when a dry run asks for it."""
    script = lambda_runtime._PYTHON_WORKER_SCRIPT
    for old, new in _SCRIPT:
        if script.count(old) != 1:
            raise EmulatorChangedError(
                "ministack's Python worker no longer reports exceptions as the patch expects"
            )
        script = script.replace(old, new)
    marker = "def run():\n"
    lambda_runtime._PYTHON_WORKER_SCRIPT = script.replace(marker, f"{_FAULT}{marker}")
    vars(lambda_runtime).update(_commerce_StartError=StartError)
    vars(lambda_svc).update(_commerce_error=_error, _commerce_logged=_logged, _commerce_started=_started)
    edit(
        "core.lambda_runtime.Worker._spawn",
        (
            "raise RuntimeError(f\"Worker init failed: {response.get('error')}\")",
            "raise _commerce_StartError(response)",
        ),
    )
    edit(
        "core.lambda_runtime.Worker.invoke",
        (
            'if response.get("status") == "error":',
            'if response.get("status") == "error" and "type" not in response:',
        ),
        (
            "else:\n            cold = False\n",
            "else:\n            cold = self.__dict__.pop('_commerce_started', False)\n",
        ),
    )
    edit(
        "lambda_svc._execute_function_warm",
        (
            '            error_type = "Runtime.HandlerError"\n',
            '            error_type = result.get("type") or "Runtime.HandlerError"\n',
        ),
        (
            """\
                "body": {
                    "errorMessage": error_msg,
                    "errorType": error_type,
                },
""",
            '                "body": _commerce_error(error_msg, error_type, result.get("stack")),\n',
        ),
        (
            'result.get("trace", result.get("error", ""))',
            '_commerce_logged(config, request_id, error_msg, error_type, result.get("stack"))',
        ),
        (
            """\
            "body": {"errorMessage": str(e), "errorType": type(e).__name__},
            "error": True,
            "log": "",
""",
            """\
            "body": getattr(e, "body", None) or _commerce_error(str(e), type(e).__name__, None),
            "error": True,
            "log": _commerce_logged(config, request_id, *getattr(e, "body", {}).values()),
""",
        ),
    )
    edit(
        "lambda_svc._invoke",
        (
            '        return 204, {"X-Amz-Executed-Version": executed_version}, b""\n',
            "        return await _commerce_started(exec_record, executed_version)\n",
        ),
    )
    shape = apigateway_v1._lambda_proxy_response

    def shape_without_cause(result: Json) -> tuple[Json | None, str | None]:
        response, error = shape(result)
        # What a function's error says is for its log, not for the caller of an API.
        return response, error and "Internal server error"

    apigateway_v1._lambda_proxy_response = shape_without_cause


def _error(message: str, kind: str | None, stack: list[str] | None) -> Json:
    """The answer of a function that has failed."""
    told = {"errorMessage": message, "errorType": kind or "Runtime.HandlerError"}
    return told if stack is None else {**told, "stackTrace": stack}


def _logged(
    config: Mapping[str, Any],
    request: str,
    message: str = "",
    kind: str = "",
    stack: list[str] | None = None,
) -> str:
    """An error as the runtime writes it to the function's log; one without a stack is the emulator's own.

    Source: https://docs.aws.amazon.com/lambda/latest/dg/python-logging.html
    """
    if stack is None:
        return message
    if (config.get("LoggingConfig") or {}).get("LogFormat") != "JSON":
        lines = [f"[ERROR] {kind}: {message}", "Traceback (most recent call last):", *stack]
        return "\n".join(line.rstrip("\n") for line in lines)
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    entry = {"timestamp": now, "level": "ERROR", **_error(message, kind, stack), "requestId": request}
    return json.dumps(entry)


async def _started(function: Json, version: str) -> Response:
    """Start an execution environment of a function, unless there is one."""
    error = await asyncio.to_thread(_start, function)
    if error is None:
        return 204, {"X-Amz-Executed-Version": version}, b""
    headers = {"Content-Type": "application/json", "X-Amz-Function-Error": "Unhandled"}
    return 200, headers | {"X-Amz-Executed-Version": version}, json.dumps(error).encode()


def _start(function: Json) -> Json | None:
    """Start it; gives what went wrong, which is in its log then."""
    config, code = function["config"], function.get("code_zip")
    if not code or not config.get("Runtime", "").startswith("python"):
        return None
    name, version = config["FunctionName"], config.get("Version", "$LATEST")
    worker, _ = lambda_runtime.acquire_worker(name, config, code, qualifier=version)
    if worker is None:
        return None
    began = time.monotonic()
    try:
        with worker._lock:
            if worker._proc is None or worker._proc.poll() is not None:
                worker._spawn()
                worker._commerce_started = True
    except StartError as error:
        lambda_runtime.invalidate_worker(
            name, qualifier=version, account=get_account_id(), region=get_region()
        )
        request = new_uuid()
        milliseconds = int((time.monotonic() - began) * 1000)
        log = _logged(config, request, *error.body.values())
        lambda_svc._emit_lambda_logs(function, request, log, error=True, duration_ms=milliseconds)
        return error.body
    else:
        return None
    finally:
        lambda_runtime.release_worker(worker)
