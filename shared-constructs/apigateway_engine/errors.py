"""What can go wrong in a gateway, told apart by who has to act."""


class GatewayEngineError(Exception):
    """Base of everything that the engine raises itself."""


class UnsupportedFeatureError(GatewayEngineError):
    """The method uses something that this engine does not know.

    Raised, never answered as a 5xx: a feature that is silently left out would let a test pass that fails on AWS.
    """


class InvalidTemplateError(GatewayEngineError):
    """A mapping template is not VTL; API Gateway would refuse or fail it for every request."""


class TemplateExecutionError(GatewayEngineError):
    """A well-formed template failed on this request, as a Java exception would on AWS (answered with 500)."""


class InvalidBodyError(GatewayEngineError):
    """A template read the body as JSON and it is not JSON (answered with 400 before the integration runs)."""


class UnknownRouteError(GatewayEngineError):
    """No method of the API serves the request."""
