"""The protocol faces through the ASGI application, as a client sees them."""
