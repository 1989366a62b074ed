"""A deployment says which function cannot start, why, and what to run next."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace

import pytest
from commerce_platform.cli.errors import CliError
from commerce_platform.cli.functions import require_starting
from commerce_platform.cli.workspace import LOCAL

ARN = "arn:aws:lambda:eu-west-1:111111111111:function"
ERROR = {
    "errorType": "Runtime.ImportModuleError",
    "errorMessage": "Unable to import module 'cart.handler': No module named 'nope'",
    "stackTrace": ['  File "/var/task/cart/handler.py", line 5, in <module>\n    import nope\n'],
}
APP = SimpleNamespace(name="cart-service", stack_prefix=lambda stage: f"commerce-{stage}-cart")


class Cloud:
    """One stack with two functions, of which some cannot start."""

    def __init__(self, errors):
        self.errors, self.started = errors, []
        self.cloudformation = SimpleNamespace(get_paginator=lambda _: self)
        self.functions = self

    def stacks(self, prefix):
        return [SimpleNamespace(name=prefix)]

    def paginate(self, **_):
        kinds = ("Function", "Version", "Alias")
        for name in ("CartsWrites", "Orders"):
            yield {
                "StackResourceSummaries": [
                    {
                        "ResourceType": f"AWS::Lambda::{kind}",
                        "LogicalResourceId": f"{name}{kind}660EC2B5",
                        "PhysicalResourceId": f"{ARN}:{name}:live" if kind == "Alias" else name,
                    }
                    for kind in kinds
                ]
            }

    def invoke(self, **request):
        self.started.append(request)
        error = self.errors.get(request["FunctionName"].split(":")[-2])
        if error is None:
            return {"StatusCode": 204}
        return {"FunctionError": "Unhandled", "Payload": io.BytesIO(json.dumps(error).encode())}


def test_every_function_is_started_as_it_is_called_and_handles_nothing():
    cloud = Cloud({})
    require_starting(cloud, APP, LOCAL)
    assert cloud.started == [
        {"FunctionName": f"{ARN}:{name}:live", "InvocationType": "DryRun"}
        for name in ("CartsWrites", "Orders")
    ]


def test_a_handler_with_an_import_error_is_named_with_the_error_and_what_to_run():
    with pytest.raises(CliError) as refused:
        require_starting(Cloud({"CartsWrites": ERROR}), APP, LOCAL)
    assert refused.value.problem.splitlines() == [
        "cart-service is deployed, and its functions cannot all start:",
        (
            "    CartsWrites: Runtime.ImportModuleError: Unable to import module 'cart.handler': "
            "No module named 'nope'"
        ),
        '      File "/var/task/cart/handler.py", line 5, in <module>',
        "        import nope",
    ]
    assert "make unit SERVICE=cart-service" in refused.value.advice
    assert "make logs SERVICE=cart-service" in refused.value.advice


def test_each_function_that_cannot_start_is_named():
    missing = {"errorType": "Runtime.HandlerNotFound", "errorMessage": "Handler 'h' missing"}
    with pytest.raises(CliError, match="CartsWrites: Runtime") as refused:
        require_starting(Cloud({"CartsWrites": ERROR, "Orders": missing}), APP, LOCAL)
    assert "    Orders: Runtime.HandlerNotFound: Handler 'h' missing" in refused.value.problem.splitlines()
