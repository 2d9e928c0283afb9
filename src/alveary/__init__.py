"""Alveary: a self-hosted personal data store that speaks the Personium REST API."""

__version__ = "0.1.0"
