"""Entry point of `cdk synth` and `cdk deploy`."""

from commerce_platform.account.stack import build
from shared_constructs import ServiceApp

app = ServiceApp(service="platform")
build(app)
app.synth()
