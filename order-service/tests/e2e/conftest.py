"""The local cloud, for this folder's tests."""

from service_testing.local_cloud import customer, local_cloud, operator  # noqa: F401 - fixtures
