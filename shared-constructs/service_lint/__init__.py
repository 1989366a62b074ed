"""Checks of synthesized templates, beyond what the CDK and CloudFormation find themselves."""

from service_extras import require

require("lint", of=__name__)
