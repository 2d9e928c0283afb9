"""One package per protocol face; a handler parses, calls one use case and describes the answer."""
