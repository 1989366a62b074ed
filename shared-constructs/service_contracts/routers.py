"""What a function's router says of its routes, asked in a process of its own.

A handler makes clients and reads its settings when it is imported; neither belongs into the process that asks.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from functools import cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

VALIDATION_ERROR: Final = "HTTPValidationError"


def ask(function: Mapping[str, Any]) -> dict[str, Any]:
    """The OpenAPI document of the router beside a function's handler.

    Args:
        function: The function's properties in its template; what its variables hold does not matter.

    Raises:
        ValueError: Carries what Python said.
    """
    variables = function.get("Environment", {}).get("Variables", {})
    known = {name: value if isinstance(value, str) else "any" for name, value in variables.items()}
    return _asked(function["Handler"].rpartition(".")[0], tuple(sorted(known.items())))


@cache
def _asked(module: str, variables: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    asked = subprocess.run(  # noqa: S603 - this module, in this interpreter
        [sys.executable, "-c", f"import sys; from {__name__} import tell; tell(sys.argv[1])", module],
        env={**os.environ, "AWS_DEFAULT_REGION": "eu-west-1", **dict(variables)},
        capture_output=True,
        text=True,
        check=False,
    )
    if asked.returncode:
        raise ValueError(f"the router of {module} could not be asked:\n{asked.stderr}")
    document: dict[str, Any] = json.loads(asked.stdout.splitlines()[-1])
    return document


def tell(module_name: str) -> None:
    """Print the OpenAPI document of the router in a module.

    Args:
        module_name: The handler's module, whose settings are in the environment.
    """
    from aws_lambda_powertools.event_handler.api_gateway import ApiGatewayResolver  # noqa: PLC0415 - slow

    module = importlib.import_module(module_name)
    (router,) = (each for each in vars(module).values() if isinstance(each, ApiGatewayResolver))
    document: dict[str, Any] = json.loads(router.get_openapi_json_schema(title=module_name, version="1"))
    for operations in document["paths"].values():
        for operation in operations.values():
            # Ours answers a failed validation as a problem.
            operation["responses"] = {
                status: response
                for status, response in operation["responses"].items()
                if VALIDATION_ERROR not in json.dumps(response)
            }
    print(json.dumps(document))  # noqa: T201 - to the process that asks
