"""Adapters whose state is the process: it is gone with it, and may be."""
