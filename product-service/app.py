"""Entry point of `cdk synth` and `cdk deploy`."""

from product_service.stack import build
from shared_constructs import ServiceApp

app = ServiceApp(service="product")
build(app)
app.synth()
