"""New versions take over bit by bit, and the ones before take over again where an alarm goes off."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from aws_cdk import CfnDeletionPolicy
from aws_cdk.aws_cloudwatch import MathExpression, Metric
from aws_cdk.aws_codedeploy import (
    AutoRollbackConfig,
    LambdaApplication,
    LambdaDeploymentConfig,
    LambdaDeploymentGroup,
)
from aws_cdk.aws_iam import Policy, PolicyStatement, Role, ServicePrincipal
from aws_cdk.aws_stepfunctions import CfnStateMachineAlias, CfnStateMachineVersion
from constructs import Construct

from shared_constructs.alarms import PERIOD, Lasting, alarm_above
from shared_constructs.permissions import allow_unlimited
from shared_constructs.queries import FAILED_INVOCATIONS, saved
from shared_constructs.service import ServiceStack

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_cdk.aws_cloudwatch import Alarm, IAlarm
    from aws_cdk.aws_lambda import Alias
    from aws_cdk.aws_logs import ILogGroup
    from aws_cdk.aws_stepfunctions import StateMachine

ALIAS: Final = "live"
"""The name of every alias: what is called. Never `$LATEST`, which is what is being deployed."""

MAX_FAILURES: Final = 0.05
"""The share of a new version's invocations that may fail: at 5 % nobody would call it a hiccup any more, and of less than
twenty invocations a minute the first failure is more."""

FAILING: Final = Lasting(periods=2, of=5)
"""Two minutes of the five that the shortest canary lasts: one bad minute is forgiven, the version is not needed yet."""


LOOKING_AT_ALARMS: Final = frozenset({"cloudwatch:DescribeAlarms"})
"""Granted on `*`, as AWS does it itself
(https://docs.aws.amazon.com/codedeploy/latest/userguide/monitoring-create-alarms-grant-permissions.html)."""


_GRADUAL: Final = re.compile(
    r"(?P<kind>CANARY|LINEAR)_(?P<percent>\d+)_PERCENT_(EVERY_)?(?P<minutes>\d+)_MINUTES?"
)


class FunctionRollout(Construct):
    """Has CodeDeploy shift an alias to each new version as the stage's `rollout` says.

    CloudFormation waits for it: a deployment that is rolled back fails the stack's update. The alarm that is watched is of
    the new version alone, and not the function's own: CodeDeploy begins nothing while an alarm is on, and so would refuse
    the very version that repairs a function. All functions of a stack share
    one CodeDeploy application and one role, which may move their aliases and look at alarms, and nothing else.

    Args:
        scope: A `ServiceFunction`.
        construct_id: Its id there.
        alias: What is shifted.
        log_group: The function's.
        customized: Properties of the alarm that win; see `alarms.alarm_above`.

    Attributes:
        deployment_group: As the CDK knows it.
        alarm: On the new version's own failures, at once and not after three bad minutes.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        alias: Alias,
        log_group: ILogGroup,
        customized: Mapping[str, Any],
    ) -> None:
        super().__init__(scope, construct_id)
        shared = _CodeDeploy.of(self)
        self._watched: list[IAlarm] = []
        self.alarm = self._alarm(alias, log_group, customized)
        self.deployment_group = LambdaDeploymentGroup(
            self,
            "Group",
            application=shared.application,
            alias=alias,
            deployment_config=getattr(LambdaDeploymentConfig, ServiceStack.of(self).stage.rollout),
            # A copy that takes no policies: the CDK would attach AWS's managed one, which reads buckets of everybody.
            role=shared.role.without_policy_updates(),
            auto_rollback=AutoRollbackConfig(
                failed_deployment=True, stopped_deployment=True, deployment_in_alarm=True
            ),
        )
        self.deployment_group.node.add_dependency(shared.allow(alias))
        self.watch(self.alarm)

    def watch(self, *alarms: IAlarm) -> None:
        """Roll back when one of these alarms goes off, too; naming one twice is the same as once.

        Args:
            alarms: Which do not depend on the alias.
        """
        for alarm in alarms:
            if alarm not in self._watched:
                self._watched.append(alarm)
                self.deployment_group.add_alarm(alarm)

    def _alarm(self, alias: Alias, log_group: ILogGroup, customized: Mapping[str, Any]) -> Alarm:
        # Lambda tells two versions behind one alias apart by ExecutedVersion:
        # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
        dimensions = {
            "FunctionName": alias.lambda_.function_name,
            "Resource": f"{alias.lambda_.function_name}:{ALIAS}",
            "ExecutedVersion": alias.version.version,
        }
        metrics = {
            name: Metric(
                namespace="AWS/Lambda",
                metric_name=name.title(),
                dimensions_map=dimensions,
                period=PERIOD,
                statistic="Sum",
            )
            for name in ("errors", "invocations")
        }
        function = self.node.path.split("/")[-2]
        return alarm_above(
            self,
            "Alarm",
            metric=MathExpression(
                expression="IF(FILL(invocations, 0) > 0, FILL(errors, 0) / invocations, 0)",
                using_metrics=metrics,
                period=PERIOD,
                label="Share of the new version's invocations that failed",
            ),
            threshold=MAX_FAILURES,
            lasting=FAILING,
            means=f"{function}: the new version fails; if it is being deployed, it is rolled back.",
            first="find the exception in its log group, by the version in its stream's name.",
            runbook="failing-version",
            query=saved(self, FAILED_INVOCATIONS, log_group),
            customized=customized,
        )


class WorkflowRollout(Construct):
    """Publishes each revision of a workflow as a version, and has CloudFormation shift the alias `live` to it.

    Only for workflows that callers wait for. Nobody waits for the others: a pipe keeps what fails, and an execution of a
    Standard workflow ends by the definition that it began with, so that a new one meets only what begins after it.

    Args:
        scope: The workflow.
        construct_id: Its id there.
        state_machine: What is published.

    Attributes:
        alias: As the CDK knows it; its `ref` is the ARN that callers start.
    """

    def __init__(self, scope: Construct, construct_id: str, *, state_machine: StateMachine) -> None:
        super().__init__(scope, construct_id)
        self._watched: list[IAlarm] = []
        self._version = CfnStateMachineVersion(
            self,
            "Version",
            state_machine_arn=state_machine.state_machine_arn,
            # Another one with each change of the definition, the role or the logs, which replaces the version.
            state_machine_revision_id=state_machine.state_machine_revision_id,
        )
        # A version that callers have just left is kept, since an alias moves with a delay:
        # https://docs.aws.amazon.com/step-functions/latest/dg/concepts-state-machine-alias.html. There can be 1,000.
        self._version.cfn_options.update_replace_policy = CfnDeletionPolicy.RETAIN
        self._version.cfn_options.deletion_policy = CfnDeletionPolicy.DELETE  # with the state machine
        self.alias = CfnStateMachineAlias(self, "Alias", name=ALIAS)
        self.watch()

    def watch(self, *alarms: IAlarm) -> None:
        """Roll back when one of these alarms goes off; naming one twice is the same as once.

        Args:
            alarms: Which do not depend on the alias.
        """
        self._watched += [alarm for alarm in alarms if alarm not in self._watched]
        gradual = _GRADUAL.fullmatch(ServiceStack.of(self).stage.rollout)
        self.alias.deployment_preference = CfnStateMachineAlias.DeploymentPreferenceProperty(
            state_machine_version_arn=self._version.ref,
            type=gradual["kind"] if gradual else "ALL_AT_ONCE",
            percentage=int(gradual["percent"]) if gradual else None,
            interval=int(gradual["minutes"]) if gradual else None,
            alarms=[alarm.alarm_name for alarm in self._watched] or None if gradual else None,
        )


class _CodeDeploy(Construct):
    """What the functions of one stack share: CodeDeploy's application, and the role that it moves their aliases in."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        self.application = LambdaApplication(self, "Application")
        # Without a condition on the account: CodeDeploy does not say that it tells whom it acts for.
        self.role = Role(self, "Role", assumed_by=ServicePrincipal("codedeploy.amazonaws.com"))
        # Not the role's own, which aliases wait for: this one waits for the functions.
        self._policy = Policy(self.role, "Policy", roles=[self.role])
        self._policy.add_statements(PolicyStatement(actions=[*LOOKING_AT_ALARMS], resources=["*"]))
        allow_unlimited(
            self.role, LOOKING_AT_ALARMS, reason="CodeDeploy's documentation asks for it on every alarm."
        )

    @classmethod
    def of(cls, construct: Construct) -> _CodeDeploy:
        """The one of the construct's stack, made when it is first asked for."""
        stack = ServiceStack.of(construct)
        existing = stack.node.try_find_child("CodeDeploy")
        return existing if isinstance(existing, cls) else cls(stack, "CodeDeploy")

    def allow(self, alias: Alias) -> Policy:
        """Let the role move an alias: what `AWSCodeDeployRoleForLambdaLimited` has, without hooks and buckets."""
        self._policy.add_statements(
            PolicyStatement(
                actions=["lambda:GetAlias", "lambda:GetProvisionedConcurrencyConfig", "lambda:UpdateAlias"],
                resources=[alias.lambda_.function_arn, f"{alias.lambda_.function_arn}:{ALIAS}"],
            )
        )
        return self._policy
