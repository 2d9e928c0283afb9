"""Zip archives as streams: written to a sink that cannot seek, read as hostile input, in flat memory.

The standard library's ``zipfile`` keeps every entry in memory and believes what an archive says of itself.
Here the writer spools its directory to a file that the caller gives, and the reader walks the directory
without holding it. What does not belong here: what the entries of an archive mean.
"""

from alveary.wire.zip.reader import EntryReader, ZipEntry, ZipLimits, ZipReader
from alveary.wire.zip.records import Method, SeekableFile, SpoolFile, ZipProblem
from alveary.wire.zip.writer import EntryWriter, ZipWriter, method_for

__all__ = [
    "EntryReader",
    "EntryWriter",
    "Method",
    "SeekableFile",
    "SpoolFile",
    "ZipEntry",
    "ZipLimits",
    "ZipProblem",
    "ZipReader",
    "ZipWriter",
    "method_for",
]
