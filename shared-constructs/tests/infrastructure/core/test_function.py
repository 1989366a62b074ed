"""Every function has its own code, log group and role, and nothing it does not need."""

import sys

import pytest
from aws_cdk import Duration, Size
from aws_cdk.assertions import Annotations, Match
from aws_cdk.aws_lambda import LayerVersion, Runtime, RuntimeFamily, SnapStartConf
from service_testing import synthesize
from service_testing.templates import listed
from shared_constructs import (
    NO_DEPENDENCIES,
    DependencyLayer,
    OwnLayer,
    ServiceApp,
    ServiceFunction,
    ServiceStack,
    StackKind,
    bundling,
    function,
)
from shared_constructs.direct_api import PUBLIC, DirectApi, InvokeFunction

HANDLER = "def handle(event, context):\n    return event\n"


@pytest.fixture(autouse=True)
def package(tmp_path, monkeypatch):
    monkeypatch.setenv("COMMERCE_CACHE_DIR", str(tmp_path / "cache"))
    runtime = tmp_path / "shop_functions" / "runtime"
    runtime.mkdir(parents=True)
    for directory in (runtime.parent, runtime):
        (directory / "__init__.py").touch()
    (runtime / "handler.py").write_text(HANDLER)
    (runtime / "requirements.lock").write_text("lib==1 --hash=sha256:00")
    monkeypatch.syspath_prepend(str(tmp_path))
    return runtime


def template(*args, **arguments):
    return resources(*args, **arguments).values()


def resources(stage="dev", count=1, context=None, **arguments):
    given = {
        "package": "shop_functions",
        "include": (".",),
        "handler": "shop_functions.runtime.handler.handle",
    }

    def build(app):
        stack = ServiceStack(app, kind=StackKind.STATELESS)
        for number in range(count):
            ServiceFunction(stack, f"Work{number}", **(given | arguments))

    stacks = synthesize(build, service="shop", stage=stage, context=context)
    return stacks[f"commerce-{stage}-shop"]["Resources"]


def of_type(resources, resource_type):
    return [each["Properties"] for each in resources if each["Type"] == resource_type]


def the_function(*args, **arguments):
    [properties] = of_type(template(*args, **arguments), "AWS::Lambda::Function")
    return properties


def test_errors_and_throttles_that_do_not_pass_raise_an_alarm():
    alarms = of_type(template("prod"), "AWS::CloudWatch::Alarm")
    steady = [alarm for alarm in alarms if "MetricName" in alarm]
    assert [(alarm["MetricName"], alarm["Statistic"]) for alarm in steady] == [
        ("Errors", "Sum"),
        ("Throttles", "Sum"),
    ]
    for alarm in steady:
        assert (alarm["Threshold"], alarm["DatapointsToAlarm"], alarm["EvaluationPeriods"]) == (0, 3, 15)
        assert len(alarm["AlarmActions"]) == 1
    customized = template(customize={"alarms": {"threshold": 5}})
    assert {alarm["Threshold"] for alarm in of_type(customized, "AWS::CloudWatch::Alarm")} == {5}


def version_of(*args, **arguments):
    [version] = [
        name for name, each in resources(*args, **arguments).items() if each["Type"] == "AWS::Lambda::Version"
    ]
    return version


def test_a_version_is_published_when_the_function_changes_and_only_then(package):
    assert version_of("prod") == version_of("prod")
    assert version_of("prod") == version_of("prod", reserved_concurrency=5)
    assert version_of("prod") != version_of("prod", memory_mb=2048)
    assert version_of("prod") != version_of("prod", environment={"TABLE": "other"})
    before = version_of("prod")
    (package / "handler.py").write_text(f"{HANDLER}\n# mended\n")
    assert version_of("prod") != before


def test_a_runtime_that_the_cdk_learns_of_publishes_no_function_again():
    before = version_of("prod")
    Runtime("python3.99", RuntimeFamily.PYTHON)
    known = len(Runtime.ALL)
    assert version_of("prod") == before
    assert len(Runtime.ALL) == known, "the hash of a layer of others has them all"


def test_a_new_version_of_the_platforms_layer_makes_a_new_version_of_the_function():
    [version] = of_type(template("prod"), "AWS::Lambda::Version")
    [layer] = the_function("prod")["Layers"]
    assert version["Description"] == layer
    [alone] = of_type(template("prod", dependencies=NO_DEPENDENCIES), "AWS::Lambda::Version")
    assert alone.keys() == {"FunctionName"}


def test_a_caller_can_have_published_versions_start_from_a_snapshot():
    slow = {"function": {"snap_start": SnapStartConf.ON_PUBLISHED_VERSIONS}}
    assert the_function(customize=slow)["SnapStart"] == {"ApplyOn": "PublishedVersions"}
    assert version_of(customize=slow) != version_of()


@pytest.mark.parametrize(
    ("rollout", "configuration"),
    [
        ("CANARY_10_PERCENT_15_MINUTES", "LambdaCanary10Percent15Minutes"),
        ("LINEAR_10_PERCENT_EVERY_1_MINUTE", "LambdaLinear10PercentEvery1Minute"),
    ],
)
def test_a_new_version_takes_over_as_the_stage_says_and_gives_way_when_it_fails(rollout, configuration):
    context = {"stages": {"dev": {"rollout": rollout}}}
    made = resources(context=context, count=2)
    groups = of_type(made.values(), "AWS::CodeDeploy::DeploymentGroup")
    assert [each["DeploymentConfigName"] for each in groups] == [f"CodeDeployDefault.{configuration}"] * 2
    assert len(of_type(made.values(), "AWS::CodeDeploy::Application")) == 1
    for group in groups:
        assert "DEPLOYMENT_STOP_ON_ALARM" in group["AutoRollbackConfiguration"]["Events"]
        [watched] = group["AlarmConfiguration"]["Alarms"]
        alarm = made[watched["Name"]["Ref"]]["Properties"]
        versions = [
            dimension["Value"]["Fn::GetAtt"][0]
            for each in alarm["Metrics"]
            if "MetricStat" in each
            for dimension in each["MetricStat"]["Metric"]["Dimensions"]
            if dimension["Name"] == "ExecutedVersion"
        ]
        assert {made[each]["Type"] for each in versions} == {"AWS::Lambda::Version"}


def test_codedeploy_may_move_the_aliases_of_its_stack_and_nothing_else():
    made = resources("prod", count=2)
    [role] = [name for name in made if name.startswith("CodeDeployRole") and "Policy" not in name]
    statements = [
        statement
        for each in of_type(made.values(), "AWS::IAM::Policy")
        if each["Roles"] == [{"Ref": role}]
        for statement in each["PolicyDocument"]["Statement"]
    ]
    assert "ManagedPolicyArns" not in made[role]["Properties"]
    assert {action for each in statements for action in listed(each["Action"])} == {
        "cloudwatch:DescribeAlarms",
        "lambda:GetAlias",
        "lambda:GetProvisionedConcurrencyConfig",
        "lambda:UpdateAlias",
    }
    moved = [each for each in statements if "lambda:UpdateAlias" in each["Action"]]
    assert "*" not in [resource for each in moved for resource in listed(each["Resource"])]


def test_where_the_stage_deploys_at_once_there_is_no_codedeploy_and_the_alias_is_called_all_the_same():
    made = template("dev")
    assert [each["Name"] for each in of_type(made, "AWS::Lambda::Alias")] == ["live"]
    assert of_type(made, "AWS::CodeDeploy::DeploymentGroup") == []


@pytest.mark.parametrize("stage", ["dev", "staging", "prod"])
def test_on_aws_it_is_python_3_13_on_arm64(stage):
    properties = the_function(stage)
    assert (properties["Runtime"], properties["Architectures"]) == ("python3.13", ["arm64"])


def test_it_logs_json_to_its_own_group_at_the_stages_level_and_retention():
    resources = template("prod")
    [properties] = of_type(resources, "AWS::Lambda::Function")
    [group] = of_type(resources, "AWS::Logs::LogGroup")
    assert group["RetentionInDays"] == 90
    assert "LogGroupName" not in group
    assert properties["LoggingConfig"]["LogFormat"] == "JSON"
    assert set(properties["LoggingConfig"]["LogGroup"]) == {"Ref"}
    variables = properties["Environment"]["Variables"]
    assert variables["POWERTOOLS_LOG_LEVEL"] == "INFO"
    assert variables["POWERTOOLS_LOGGER_SAMPLE_RATE"] == "0.01"


def test_lambda_lets_through_what_sampled_invocations_log():
    assert the_function("prod")["LoggingConfig"]["ApplicationLogLevel"] == "DEBUG"
    assert the_function("local")["LoggingConfig"]["ApplicationLogLevel"] == "INFO"


def test_it_knows_its_service_and_stage():
    variables = the_function(environment={"TABLE_NAME": "t"})["Environment"]["Variables"]
    assert variables.items() >= {
        ("COMMERCE_SERVICE", "shop"),
        ("COMMERCE_STAGE", "dev"),
        ("POWERTOOLS_SERVICE_NAME", "shop"),
        ("TABLE_NAME", "t"),
    }


def test_it_cannot_pretend_to_be_another_service():
    with pytest.raises(ValueError, match="COMMERCE_SERVICE are set for every function"):
        template(environment={"COMMERCE_SERVICE": "payment"})


@pytest.mark.parametrize("stage", ["local", "prod"])
def test_its_role_may_write_its_own_logs_and_traces_where_the_stage_traces(stage):
    made = resources(stage)
    [role] = [name for name in made if name.startswith("Work0Role") and "Policy" not in name]
    assert "ManagedPolicyArns" not in made[role]["Properties"]
    granted = {}
    for policy in of_type(made.values(), "AWS::IAM::Policy"):
        if policy["Roles"] != [{"Ref": role}]:
            continue
        for statement in policy["PolicyDocument"]["Statement"]:
            granted[tuple(statement["Action"])] = statement["Resource"]
    logs = granted.pop(("logs:CreateLogStream", "logs:PutLogEvents"))
    assert logs["Fn::GetAtt"][1] == "Arn"
    traces = {("xray:PutTelemetryRecords", "xray:PutTraceSegments"): "*"}
    assert {tuple(sorted(actions)): resource for actions, resource in granted.items()} == (
        traces if stage == "prod" else {}
    )


def test_it_runs_on_the_platforms_layer_unless_told_otherwise(package):
    assert len(the_function()["Layers"]) == 1
    assert "Layers" not in the_function(dependencies=NO_DEPENDENCIES)
    own = OwnLayer(lock_file=package / "requirements.lock")
    assert len(the_function(dependencies=own)["Layers"]) == 2


def test_functions_with_the_same_lock_file_share_their_layer(package):
    resources = template(count=2, dependencies=OwnLayer(lock_file=package / "requirements.lock"))
    assert len(of_type(resources, "AWS::Lambda::LayerVersion")) == 1


def test_a_caller_customizes_a_layer_but_not_its_code(package):
    def layers(**properties):
        def build(app):
            stack = ServiceStack(app, kind=StackKind.STATELESS)
            DependencyLayer(
                stack, "Own", lock_file=package / "requirements.lock", customize={"layer": properties}
            )

        resources = synthesize(build, service="shop", stage="dev")["commerce-dev-shop"]["Resources"].values()
        return of_type(resources, "AWS::Lambda::LayerVersion")

    assert [each["LicenseInfo"] for each in layers(license="MIT")] == ["MIT"]
    with pytest.raises(ValueError, match="code of layer cannot be customized"):
        layers(code=None)


def test_more_than_five_layers_fail_synthesis():
    def build(app):
        stack = ServiceStack(app, kind=StackKind.STATELESS)
        layers = [LayerVersion.from_layer_version_arn(stack, f"L{n}", f"arn:{n}") for n in range(5)]
        ServiceFunction(
            stack,
            "Work",
            package="shop_functions",
            include=(".",),
            handler="shop_functions.runtime.handler.handle",
            layers=layers,
        )

    with pytest.raises(RuntimeError, match="already uses 5 layers"):
        synthesize(build)


def test_more_than_250_mb_fail_synthesis(monkeypatch):
    monkeypatch.setattr(function, "unzipped_bytes", lambda _: function.MAX_UNZIPPED_BYTES)
    with pytest.raises(RuntimeError, match="must unzip to at most 262144000 bytes, these to 314572800"):
        template()


@pytest.mark.parametrize(
    ("handler", "message"),
    [
        ("shop_functions.runtime.handler.work", "defines no 'work'"),
        ("shop_functions.runtime.handlers.handle", "is in no included file"),
        ("handle", "must be a dotted path"),
    ],
)
def test_a_handler_that_is_not_in_the_code_is_refused(handler, message):
    with pytest.raises(ValueError, match=message):
        template(handler=handler)


@pytest.mark.parametrize(
    "arguments", [{"timeout": Duration.minutes(16)}, {"memory_mb": 64}, {"memory_mb": 20_000}]
)
def test_what_lambda_does_not_offer_is_refused(arguments):
    with pytest.raises(ValueError, match="must be between"):
        template(**arguments)


def test_the_caller_decides_memory_before_the_stage():
    assert the_function("prod")["MemorySize"] == 1024
    assert the_function("prod", memory_mb=256)["MemorySize"] == 256


def test_a_caller_customizes_the_function_but_not_what_its_parts_agree_on():
    customized = the_function(customize={"function": {"ephemeral_storage_size": Size.gibibytes(1)}})
    assert customized["EphemeralStorage"] == {"Size": 1024}
    with pytest.raises(ValueError, match="role of function cannot be customized"):
        template(customize={"function": {"role": None}})


@pytest.mark.parametrize("compiler", [None, sys.executable], ids=["without", "with"])
def test_a_layer_without_bytecode_is_warned_of(package, monkeypatch, compiler):
    monkeypatch.setattr(bundling.Target, "compiler", property(lambda _: compiler))
    monkeypatch.setattr(function, "build_layer", lambda **_: package)
    stack = ServiceStack(ServiceApp(service="shop", stage="dev"), kind=StackKind.STATELESS)
    DependencyLayer(stack, "Layer", lock_file=package / "requirements.lock")
    said = Annotations.from_stack(stack).find_warning(
        "*", Match.string_like_regexp("every cold start compiles")
    )
    assert len(said) == (compiler is None)


def test_an_api_whose_answers_fail_rolls_back_the_function_behind_it():
    def build(app):
        stack = ServiceStack(app, kind=StackKind.STATELESS)
        work = ServiceFunction(
            stack,
            "Work",
            package="shop_functions",
            include=(".",),
            handler="shop_functions.runtime.handler.handle",
        )
        api = DirectApi(stack, "Api", description="Works.")
        for route in ("/one", "/two"):
            api.route("POST", route, InvokeFunction(function=work), auth=PUBLIC)

    made = synthesize(build, service="shop", stage="prod")["commerce-prod-shop"]["Resources"]
    (group,) = of_type(made.values(), "AWS::CodeDeploy::DeploymentGroup")
    watched = [made[each["Name"]["Ref"]]["Properties"] for each in group["AlarmConfiguration"]["Alarms"]]
    assert [alarm.get("MetricName") for alarm in watched] == [None, "5XXError"]
    # Literal: the stage waits for the alias, the alias for the alarm.
    assert {each["Value"] for each in watched[1]["Dimensions"]} == {"commerce-prod-shop", "live"}
