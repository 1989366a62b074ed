"""Unit and template tests reach no network."""

import pytest
from pytest_socket import disable_socket, enable_socket


@pytest.fixture(autouse=True)
def _no_network(request):
    if "e2e" not in request.keywords:
        disable_socket(allow_unix_socket=True)
    yield
    enable_socket()
