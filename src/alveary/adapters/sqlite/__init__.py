"""The store on SQLite: a file per part of a cell, WAL, one writer each, group commit."""
