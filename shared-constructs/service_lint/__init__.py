"""Checks of synthesized templates, beyond what the CDK and CloudFormation find themselves."""
