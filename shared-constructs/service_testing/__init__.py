"""Run a synthesized template without AWS: render and execute direct integrations, run functions and workflows.

    from service_testing import Deployment, synthesize

    with Deployment(synthesize(build, service="product")) as d:
        response = d.request("PUT", "/products/EST-1", body={…}, claims={"sub": "u", "scope": "commerce/operate"})
        assert response.status == 201

Beside what is here: `service_testing.local_cloud` (end-to-end tests),
`service_testing.rules` (what every service's templates must say), `service_testing.workflows` and
`service_testing.patterns` (a workflow's or an event pattern's own unit tests).
"""

# ruff: noqa: E402 - what is missing is named before it is missed

from service_extras import require

require("testing", of=__name__)

import pytest

from service_testing.consumers import FeedResult as FeedResult
from service_testing.consumers import events_of as events_of
from service_testing.deployment import Deployment as Deployment
from service_testing.injection import HOSTILE_VALUES as HOSTILE_VALUES
from service_testing.injection import InjectionCase as InjectionCase
from service_testing.injection import Probe as Probe
from service_testing.injection import injection_cases as injection_cases
from service_testing.injection import unprobed_routes as unprobed_routes
from service_testing.templates import actions_on as actions_on
from service_testing.templates import callers as callers
from service_testing.templates import listed as listed
from service_testing.templates import masked as masked
from service_testing.templates import of_type as of_type
from service_testing.templates import routes as routes
from service_testing.templates import statements as statements
from service_testing.templates import synthesize as synthesize
from service_testing.workflows import Execution as Execution
from service_testing.workflows import WorkflowError as WorkflowError
from service_testing.workflows import aws_call as aws_call
from service_testing.workflows import run_workflow as run_workflow

pytest.register_assert_rewrite("service_testing.rules")
