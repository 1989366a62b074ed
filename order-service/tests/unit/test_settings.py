"""How long an order waits for others is this service's own decision, per stage."""

import pytest
from order_service.settings import OrderSettings
from shared_constructs import ServiceApp, StageError


def waits(tmp_path, stage, **overrides):
    context = {"stages": {stage: overrides}}
    app = ServiceApp(
        service="order", settings=OrderSettings, stage=stage, outdir=str(tmp_path), context=context
    )
    settings = OrderSettings.of(app)
    return settings.stock_wait_seconds, settings.payment_wait_seconds


@pytest.mark.parametrize(
    ("stage", "expected"),
    [("local", (60, 30)), ("dev", (30, 120)), ("staging", (30, 120)), ("prod", (30, 120))],
)
def test_a_stage_waits_as_long_as_its_redeliveries_take(tmp_path, stage, expected):
    assert waits(tmp_path, stage) == expected


def test_a_stage_can_wait_longer(tmp_path):
    assert waits(tmp_path, "prod", payment_wait_seconds=600) == (30, 600)


def test_an_order_cannot_wait_for_no_time_at_all(tmp_path):
    with pytest.raises(StageError, match=r"stage prod: stock_wait_seconds: .*got 0"):
        waits(tmp_path, "prod", stock_wait_seconds=0)
