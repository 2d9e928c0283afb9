"""The WebDAV face: boxes, collections, files, and the sources of services."""

from alveary.api.dav.routes import serve

__all__ = ["serve"]
