"""Entry point of `cdk synth` and `cdk deploy`."""

from inventory_service.stack import build
from shared_constructs import ServiceApp

app = ServiceApp(service="inventory")
build(app)
app.synth()
