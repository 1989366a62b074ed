"""Entry point of `cdk synth` and `cdk deploy`."""

from commerce_platform.account.stack import build
from commerce_platform.settings import PlatformSettings
from shared_constructs import ServiceApp

app = ServiceApp(service="platform", settings=PlatformSettings)
build(app)
app.synth()
