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
from http import HTTPStatus
from types import NoneType
from typing import TYPE_CHECKING, Any, Literal

from service_runtime.rest import EVERY_ROUTES_PROBLEMS, JSON, RestRouter

from service_contracts.schemas import of_model

if TYPE_CHECKING:
    from collections.abc import Mapping

    from service_runtime.rest import Route


def ask(function: Mapping[str, Any]) -> dict[str, Any]:
    """The operations of the router beside a function's handler, by path and verb, as OpenAPI has them.

    Schemas are whole where they are used, with definitions of their own.

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
    """Print the operations of the router in a module.

    Args:
        module_name: The handler's module, whose settings are in the environment.
    """
    module = importlib.import_module(module_name)
    (router,) = (each for each in vars(module).values() if isinstance(each, RestRouter))
    paths: dict[str, dict[str, Any]] = {}
    for route in router.routes:
        path = route.path.replace("<", "{").replace(">", "}")
        paths.setdefault(path, {})[route.method.lower()] = _operation(route)
    print(json.dumps(paths))  # noqa: T201 - to the process that asks


def _operation(route: Route) -> dict[str, Any]:
    hints = dict(route.hints)
    answered = hints.pop("return")
    operation: dict[str, Any] = {
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": of_model(hints.pop(name))}
            for name in route.names
        ]
    }
    for body in hints.values():
        operation["requestBody"] = {"content": _json(body, "validation"), "required": True}
    status = HTTPStatus.NO_CONTENT if answered is NoneType else route.status
    content = {} if answered is NoneType else {"content": _json(answered, "serialization")}
    problems = {**EVERY_ROUTES_PROBLEMS, **route.problems}
    operation["responses"] = {
        int(status): {"description": status.phrase, **content},
        **{int(problem): {"description": detail} for problem, detail in problems.items()},
    }
    return operation


def _json(body: Any, mode: Literal["validation", "serialization"]) -> dict[str, Any]:
    return {JSON: {"schema": of_model(body, mode=mode)}}
