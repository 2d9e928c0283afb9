"""The ASGI edge: routing, overrides, limits, authentication, ranges, the one error renderer."""
