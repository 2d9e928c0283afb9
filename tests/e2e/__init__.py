"""The real command, a real socket, real signals."""
