"""A function's exception keeps its class and its execution environment.

Replaces: `core/lambda_runtime.py` (328), whose Python worker reports an exception's message only, and (1485), which
ends the worker although the runtime lives on after a handled exception on AWS; `services/lambda_svc.py` (5433),
which names every exception `Runtime.HandlerError`.
"""

from __future__ import annotations

from ministack.core import lambda_runtime

from commerce_platform.local_cloud.extension.guard import EmulatorChangedError, Guard, edit

GUARDS = (
    Guard("core.lambda_runtime.Worker.invoke", "96751a754710"),
    Guard("lambda_svc._execute_function_warm", "62b9218bef5b"),
)

_REPORT = '"error": str(e), "trace": traceback.format_exc()}'
_REPORT_WITH_CLASS = (
    '"error": str(e), "type": type(e).__name__,'
    ' "stack": traceback.format_tb(e.__traceback__), "trace": traceback.format_exc()}'
)


def apply() -> None:
    """Report the class, keep the worker."""
    script = lambda_runtime._PYTHON_WORKER_SCRIPT
    if script.count(_REPORT) != 1:
        raise EmulatorChangedError(
            "ministack's Python worker no longer reports exceptions as the patch expects"
        )
    lambda_runtime._PYTHON_WORKER_SCRIPT = script.replace(_REPORT, _REPORT_WITH_CLASS)
    edit(
        "core.lambda_runtime.Worker.invoke",
        (
            'if response.get("status") == "error":',
            'if response.get("status") == "error" and "type" not in response:',
        ),
    )
    edit(
        "lambda_svc._execute_function_warm",
        (
            '            error_type = "Runtime.HandlerError"\n',
            '            error_type = result.get("type") or "Runtime.HandlerError"\n',
        ),
        (
            '                    "errorType": error_type,\n',
            """\
                    "errorType": error_type,
                    **({"stackTrace": result["stack"]} if "stack" in result else {}),
""",
        ),
    )
