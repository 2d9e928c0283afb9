"""The HTTP edge: connections, routing, overrides, limits, authentication, ranges, the one error renderer."""
