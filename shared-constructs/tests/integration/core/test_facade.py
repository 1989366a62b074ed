"""Importing the library costs nothing until a construct is used."""

import subprocess
import sys

import pytest
import shared_constructs


def test_neither_the_library_nor_its_template_engine_loads_the_cdk():
    code = (
        "import sys, shared_constructs, shared_constructs.testing.apigateway, service_runtime;"
        "assert not {'aws_cdk', 'jsii', 'moto'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", shared_constructs.__all__)
def test_every_public_name_can_be_imported(name):
    assert getattr(shared_constructs, name) is not None


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(AttributeError, match=r"no attribute 'ServiceTabel'; it has .*ServiceTable"):
        _ = shared_constructs.ServiceTabel
