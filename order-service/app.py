"""Entry point of `cdk synth` and `cdk deploy`."""

from order_service.stack import build
from shared_constructs import ServiceApp

app = ServiceApp(service="order")
build(app)
app.synth()
