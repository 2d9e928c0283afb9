"""The configuration: frozen values, read once.

What belongs here: options and their reading. What does not: what any option does.
"""

from alveary.config.forms import Bind, ConfigError, Hosts, Layers, Network, Secret, Tables, Url
from alveary.config.reading import FILE_NAME, FILE_VARIABLE, PREFIX, Option, load, options
from alveary.config.sections import (
    Auth,
    Config,
    Dav,
    Html,
    Limits,
    Log,
    OData,
    Outbound,
    Script,
    Socket,
    Store,
    Stream,
    Tls,
    Unit,
)

__all__ = [
    "FILE_NAME",
    "FILE_VARIABLE",
    "PREFIX",
    "Auth",
    "Bind",
    "Config",
    "ConfigError",
    "Dav",
    "Hosts",
    "Html",
    "Layers",
    "Limits",
    "Log",
    "Network",
    "OData",
    "Option",
    "Outbound",
    "Script",
    "Secret",
    "Socket",
    "Store",
    "Stream",
    "Tables",
    "Tls",
    "Unit",
    "Url",
    "load",
    "options",
]
