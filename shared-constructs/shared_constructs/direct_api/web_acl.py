"""A web ACL in front of an API: no single source takes what is meant for all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aws_cdk.aws_wafv2 import CfnWebACL, CfnWebACLAssociation
from constructs import Construct

from shared_constructs.service import ServiceStack

if TYPE_CHECKING:
    from aws_cdk.aws_apigateway import Stage

    from shared_constructs.customize import Customization

WINDOW_SECONDS: Final = 300
"""Over how long requests of a source are counted: WAF's own default, of 60, 120, 300 and 600
(https://docs.aws.amazon.com/waf/latest/developerguide/waf-rule-statement-type-rate-based-settings.html)."""

MIN_SOURCE_LIMIT: Final = 10
"""The least that a rate-based rule can let through (same page)."""


class WebAcl(Construct):
    """A regional web ACL with one rule: an address that sends too much is refused until it sends less.

    The API's throttles bound what all callers do together, so that one of them could use them up; this bounds each. What
    is refused is answered 429 by the API's gateway response. No requests are sampled: samples hold access tokens.

    Args:
        scope: The API.
        construct_id: Its id there.
        api_stage: The stage that is protected.
        source_limit: Requests of one address in `WINDOW_SECONDS` that are let through.
        customization: The API's, for its `web_acl`.

    Attributes:
        resource: The web ACL.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        api_stage: Stage,
        source_limit: int,
        customization: Customization,
    ) -> None:
        super().__init__(scope, construct_id)
        stack = ServiceStack.of(self)
        self.resource = CfnWebACL(
            self,
            "WebAcl",
            **customization.of(
                "web_acl",
                enforced={"scope": "REGIONAL"},
                default_action=CfnWebACL.DefaultActionProperty(allow=CfnWebACL.AllowActionProperty()),
                description=f"Bounds what one address may ask of the {stack.service} API",
                rules=[_rate_rule(source_limit, metric=f"{stack.stack_name}-sources")],
                visibility_config=_visible_as(stack.stack_name),
            ),
        )
        CfnWebACLAssociation(
            self, "Association", resource_arn=api_stage.stage_arn, web_acl_arn=self.resource.attr_arn
        )


def _rate_rule(limit: int, *, metric: str) -> CfnWebACL.RuleProperty:
    return CfnWebACL.RuleProperty(
        name="TooManyFromOneSource",
        priority=0,
        action=CfnWebACL.RuleActionProperty(block=CfnWebACL.BlockActionProperty()),
        statement=CfnWebACL.StatementProperty(
            rate_based_statement=CfnWebACL.RateBasedStatementProperty(
                limit=limit, aggregate_key_type="IP", evaluation_window_sec=WINDOW_SECONDS
            )
        ),
        visibility_config=_visible_as(metric),
    )


def _visible_as(metric: str) -> CfnWebACL.VisibilityConfigProperty:
    return CfnWebACL.VisibilityConfigProperty(
        cloud_watch_metrics_enabled=True, metric_name=metric, sampled_requests_enabled=False
    )
