"""Where the configuration file is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from digestbot.domain.errors import ConfigError

ENV_CONFIG = "DIGESTBOT_CONFIG"  # names the file itself, so it is not a key


def find(explicit: str | None, environ: Mapping[str, str]) -> Path:
    """Return the configuration file's path: ``-c``, DIGESTBOT_CONFIG, ./config.toml, or the user's XDG folder.

    The first two are not checked for existence. Raises ConfigError if none is given and neither default file exists.
    """
    if explicit or environ.get(ENV_CONFIG):
        return Path(explicit or environ[ENV_CONFIG])
    home = Path(environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    places = [Path("config.toml"), home / "digestbot" / "config.toml"]
    for place in places:
        if place.is_file():
            return place
    looked = ", ".join(map(str, places))
    raise ConfigError(
        [f"no configuration found (looked for {looked}); name one with -c FILE or make one: digestbot init"]
    )
