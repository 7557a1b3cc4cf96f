"""The configuration: TOML and environment variables are read into one frozen `Config`.

All mistakes are reported at once, with their places. An environment variable ``DIGESTBOT_SECTION__NAME__KEY`` overrides
the file's ``key``; a secret may instead come from a file named by ``key_file``. Relative paths (the ledger's, the
templates', secret files) start at the configuration file's folder.
"""

import os

# Other packages' plugins must not touch this configuration, and looking for them costs 20 ms at every start.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

from digestbot.config.loader import build, load
from digestbot.config.root import Config
from digestbot.config.sections import (
    LOOPBACK,
    Alerts,
    Appearance,
    Cards,
    ChannelOverride,
    Delivery,
    Digest,
    FilterConfig,
    Timing,
    Web,
)
from digestbot.infra.config_location import find

__all__ = [
    "LOOPBACK",
    "Alerts",
    "Appearance",
    "Cards",
    "ChannelOverride",
    "Config",
    "Delivery",
    "Digest",
    "FilterConfig",
    "Timing",
    "Web",
    "build",
    "find",
    "load",
]
