"""Codecs between bytes and values: XML, JSON, queries, tokens, manifests. No I/O, no decisions."""
