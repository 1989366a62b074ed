"""Entry point of `cdk synth` and `cdk deploy`."""

from payment_service.settings import PaymentSettings
from payment_service.stack import build
from shared_constructs import ServiceApp

app = ServiceApp(service="payment", settings=PaymentSettings)
build(app)
app.synth()
