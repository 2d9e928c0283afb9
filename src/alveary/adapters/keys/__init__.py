"""The unit's secrets, kept as files of its data folder, and password hashing."""
