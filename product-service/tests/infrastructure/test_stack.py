"""What the templates must say, whatever the constructs become."""

from functools import cache

import pytest
from aws_cdk.assertions import Match, Template
from shared_constructs import ServiceApp

from product_service.stack import ProductData, ProductService, build
