"""Stages: typed, validated, and the same precedence everywhere."""

from typing import ClassVar

import pytest
from aws_cdk import RemovalPolicy
from aws_cdk.aws_logs import RetentionDays
from constructs import Construct
from pydantic import Field
from shared_constructs import ServiceApp, ServiceSettings, Stage, StageError, StageName
from shared_constructs.stage import resolve


class OvenSettings(ServiceSettings):
    stages: ClassVar = {StageName.LOCAL: {"bake_minutes": 1}}

    bake_minutes: int = Field(default=40, ge=1)
    fuel: str = "gas"


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


def oven(stage="dev", **overrides):
    return resolve(stage, overrides, OvenSettings)[1]


def test_a_service_has_settings_of_its_own_with_the_same_precedence():
    assert (oven("prod").bake_minutes, oven("local").bake_minutes) == (40, 1)
    assert oven("local", bake_minutes=2) == OvenSettings(bake_minutes=2, fuel="gas")


def test_overrides_of_both_kinds_come_from_one_place(tmp_path):
    stages: ClassVar = {"dev": {"bake_minutes": 5, "log_level": "ERROR"}}
    app = ServiceApp(
        service="oven", settings=OvenSettings, stage="dev", outdir=str(tmp_path), context={"stages": stages}
    )
    assert app.stage.log_level == "ERROR"
    assert OvenSettings.of(Construct(app, "Rack")).bake_minutes == 5


def test_an_unknown_setting_is_refused_with_the_valid_ones_of_both_kinds():
    with pytest.raises(
        StageError, match=r"unknown setting 'fule'; the settings are .*bake_minutes.*fuel.*log_level"
    ):
        oven(fule="wood")


def test_a_services_value_that_is_not_allowed_is_refused_with_what_came():
    with pytest.raises(StageError, match=r"stage dev: bake_minutes: .*got 0"):
        oven(bake_minutes=0)


def test_a_service_cannot_take_the_name_of_a_setting_of_the_library():
    class Clashing(ServiceSettings):
        log_level: str = "LOUD"

    with pytest.raises(TypeError, match="Clashing has the library's log_level"):
        resolve("dev", {}, Clashing)


def test_an_app_made_without_the_settings_says_so(tmp_path):
    app = ServiceApp(service="oven", outdir=str(tmp_path))
    with pytest.raises(TypeError, match=r"Rack needs an app made with ServiceApp\(settings=OvenSettings\)"):
        OvenSettings.of(Construct(app, "Rack"))
