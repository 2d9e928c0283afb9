"""The protocol faces over real connections, as a client sees them."""
