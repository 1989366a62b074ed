"""Entry point of `cdk synth` and `cdk deploy`."""

from cart_service.settings import CartSettings
from cart_service.stack import build
from shared_constructs import ServiceApp

app = ServiceApp(service="cart", settings=CartSettings)
build(app)
app.synth()
