"""Frozen values and pure rules: names, privileges, ACLs, entities. No I/O, no wire formats."""
