"""Other hosts, reached over HTTP under a policy."""
