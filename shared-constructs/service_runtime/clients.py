"""AWS clients as handlers have them: boto3's, without what a client does not need of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from botocore.config import Config


def client(service: str, *, config: Config | None = None) -> Any:
    """A client of an AWS service, configured by Lambda's environment.

    What `boto3.client` returns is botocore's client. boto3 around it loads S3's transfers and the factory of resources,
    some 80 ms of every cold start, and botocore reads what it knows of all other services, another 40. Each client has a
    session of its own: make it once, and keep it.

    Args:
        service: As boto3 names it (`dynamodb`); one with an endpoint in every region.
        config: Time limits and retries; botocore's own without it.
    """
    # Where nothing is called, a handler or a test should not load it.
    from botocore.session import Session  # noqa: PLC0415

    from service_runtime.client_data import RegionalService, register_handlers  # noqa: PLC0415

    session = Session(include_builtin_handlers=False)
    session.register_component("data_loader", RegionalService(service))
    register_handlers(session, service)
    return session.create_client(service, config=config)
