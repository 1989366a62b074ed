"""What runs without the CDK loads without it: in Lambda, in the local cloud, in an editor's checks."""

import subprocess
import sys


def test_the_packages_beside_the_constructs_load_neither_the_cdk_nor_moto():
    code = (
        "import sys, apigateway_engine, service_runtime, states_language.definition, states_language.rules;"
        "assert not {'aws_cdk', 'jsii', 'moto'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
