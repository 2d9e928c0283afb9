"""The snapshot format, Personium's ``export_version`` 2: one cell as the entries of a zip archive.

Its paths (``layout``), its manifest, its lines of entities and links (``lines``), the metadata of its tree
(``nodes``), the values of user data (``values``) and the URLs that move with a cell (``urls``). What does
not belong here: the archive itself (``wire.zip``), and reading or writing a store.
"""
