"""Entry point of `cdk synth` and `cdk deploy`."""

from order_service.settings import OrderSettings
from order_service.stack import build
from shared_constructs import ServiceApp

app = ServiceApp(service="order", settings=OrderSettings)
build(app)
app.synth()
