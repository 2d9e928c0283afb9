"""The WebDAV face: boxes, collections, files, and the sources of services."""

from alveary.api.dav.routes import serve
from alveary.api.dav.uploads import uploading

__all__ = ["serve", "uploading"]
