"""How long an order waits for others is this service's own decision, per stage."""

import pytest
from order_service.settings import OrderSettings
from order_service.stack import build
from shared_constructs import ServiceApp, StageError, StandardWorkflow


def waits(tmp_path, stage, **overrides):
    context = {"stages": {stage: overrides}}
    app = ServiceApp(
        service="order", settings=OrderSettings, stage=stage, outdir=str(tmp_path), context=context
    )
    settings = OrderSettings.of(app)
    return settings.stock_wait_seconds, settings.payment_wait_seconds


@pytest.mark.parametrize(
    ("stage", "expected"),
    [("local", (300, 60)), ("dev", (300, 900)), ("staging", (300, 900)), ("prod", (300, 900))],
)
def test_a_stage_waits_as_long_as_its_redeliveries_take(tmp_path, stage, expected):
    assert waits(tmp_path, stage) == expected


def test_a_stage_can_wait_longer(tmp_path):
    assert waits(tmp_path, "prod", payment_wait_seconds=1200) == (300, 1200)


def test_an_order_cannot_wait_for_no_time_at_all(tmp_path):
    with pytest.raises(StageError, match=r"stage prod: stock_wait_seconds: .*got 0"):
        waits(tmp_path, "prod", stock_wait_seconds=0)


@pytest.mark.parametrize(
    ("wait", "least", "redelivery"), [("stock_wait_seconds", 60, 30), ("payment_wait_seconds", 720, 360)]
)
def test_a_wait_that_a_killed_worker_would_outlast_is_refused(tmp_path, wait, least, redelivery):
    context = {"stages": {"prod": {wait: least - 1}}}
    app = ServiceApp(
        service="order", settings=OrderSettings, stage="prod", outdir=str(tmp_path), context=context
    )
    with pytest.raises(ValueError, match=rf"at least {least} s, .*{redelivery} s\), got {least - 1} s"):
        build(app)


def test_an_order_is_swept_only_when_it_is_open_for_longer_than_its_waits(tmp_path):
    app = ServiceApp(service="order", settings=OrderSettings, stage="prod", outdir=str(tmp_path))
    settings = OrderSettings.of(app)
    assert settings.longest_open_seconds > settings.stock_wait_seconds + settings.payment_wait_seconds


def test_a_wait_of_a_day_does_not_outlast_its_lifecycle(tmp_path):
    context = {"stages": {"prod": {"payment_wait_seconds": 86_400}}}
    app = ServiceApp(
        service="order", settings=OrderSettings, stage="prod", outdir=str(tmp_path), context=context
    )
    build(app)
    lifecycle = next(each for each in app.node.find_all() if isinstance(each, StandardWorkflow))
    assert lifecycle.timeout.to_seconds() > 86_400 + 300
