"""The ports' implementations, named after their technology. They never call use cases."""
