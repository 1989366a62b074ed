"""Stages: typed, validated, and the same precedence everywhere."""

import pytest
from aws_cdk import RemovalPolicy
from aws_cdk.aws_logs import RetentionDays
from shared_constructs import Stage, StageError, StageName


@pytest.mark.parametrize("name", list(StageName))
def test_every_stage_is_valid_and_knows_its_name(name):
    assert Stage.named(name).name is name


def test_an_unknown_stage_is_refused_with_the_valid_ones():
    with pytest.raises(
        StageError, match="unknown stage 'production'; the stages are dev, local, prod, staging"
    ):
        Stage.named("production")


def test_an_unknown_setting_is_refused_with_the_valid_ones():
    with pytest.raises(
        StageError, match=r"unknown setting 'log_days'; the settings are .*log_retention_days"
    ):
        Stage.named("dev", {"log_days": 3})


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("log_retention_days", 8),
        ("log_level", "debug"),
        ("log_sample_rate", 1.5),
        ("function_memory_mb", 64),
        ("consumer_max_concurrency", 1),
        ("account", "12345"),
        ("region", "Dublin"),
    ],
)
def test_a_value_that_is_not_allowed_is_refused_with_what_came(setting, value):
    with pytest.raises(StageError, match=f"stage dev: {setting}: .*got {value!r}"):
        Stage.named("dev", {setting: value})


def test_the_caller_overrides_the_stage_and_the_stage_the_library():
    library = Stage.model_fields["log_retention_days"].default
    stage = Stage.named("dev").log_retention_days
    assert stage != library
    assert Stage.named("prod").log_retention_days == library
    assert Stage.named("dev", {"log_retention_days": 30}).log_retention == RetentionDays.ONE_MONTH


def test_only_throwaway_stages_lose_their_data():
    kept = {name.value: Stage.named(name).removal_policy is RemovalPolicy.RETAIN for name in StageName}
    assert kept == {"local": False, "dev": False, "staging": True, "prod": True}


def test_protected_data_cannot_be_configured_to_be_destroyed():
    with pytest.raises(StageError, match="deletion_protection needs retain_data"):
        Stage.named("prod", {"retain_data": False})


def test_logs_of_workflows_hold_no_execution_data_where_customers_are():
    assert not any(Stage.named(name).include_execution_data for name in ("staging", "prod"))


def test_a_stage_cannot_be_changed_once_made():
    with pytest.raises(ValueError, match="frozen"):
        Stage.named("dev").log_level = "ERROR"
