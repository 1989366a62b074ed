"""Entry point of `cdk synth` and `cdk deploy`."""

from shared_constructs import ServiceApp
from synchronous_chain.stack import build

app = ServiceApp(service="bench")
build(app)
app.synth()
