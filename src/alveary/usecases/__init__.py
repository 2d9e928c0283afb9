"""One module per noun: privilege check, transaction, domain event. No HTTP, no SQL."""
