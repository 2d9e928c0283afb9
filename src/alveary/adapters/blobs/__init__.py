"""Blobs as files of a folder."""

from alveary.adapters.blobs.files import FileBlobs

__all__ = ["FileBlobs"]
