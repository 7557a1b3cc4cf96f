"""The tokens of a channel: read from an unfinished configuration, and stored where the configuration looks for them."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from digestbot.config.environment import override, variable_name
from digestbot.config.writer import save, write_next_to
from digestbot.domain.errors import ConfigError
from digestbot.infra.config_values import PLACEHOLDER
from digestbot.platforms.registry import PLATFORMS


@dataclass(frozen=True)
class ChannelFile:
    """A channel's section of the file, even if tokens are missing in it.

    ``settings`` are its texts by key, among them secrets from files. ``text`` is the whole file.
    """

    path: Path
    name: str
    platform: str
    settings: Mapping[str, str]
    table: Mapping[str, Any]
    text: str

    def secret_file(self, key: str) -> Path:
        """Return where a secret is stored: where the section says, else next to the configuration file, in its folder
        ``credentials`` if there is one."""
        named = self.table.get(f"{key}_file")
        if named:
            return _path_of(self.path.parent, named)
        folder = self.path.parent / "credentials"
        name = f"{self.name}-{key.replace('_', '-')}"
        return folder / name if folder.is_dir() else self.path.parent / name


def read_channel(path: Path, name: str, environ: Mapping[str, str]) -> ChannelFile:
    """Return a channel's section. Raises ConfigError if there is none, or if the file cannot be read."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        raw = tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise ConfigError([f"{path}: cannot be read: {error}"]) from error
    override(raw, environ)
    channels = raw.get("channels")
    table = channels.get(name) if isinstance(channels, dict) else None
    if not isinstance(table, dict):
        known = ", ".join(channels) if isinstance(channels, dict) else "none"
        raise ConfigError([f"{path}: there is no channel {name!r}; known: {known}"])
    found = ChannelFile(path, name, str(table.get("platform", "")), {}, table, text)
    settings = {key: value for key, value in table.items() if isinstance(value, str) and value != PLACEHOLDER}
    for key in [key.removesuffix("_file") for key in table if key.endswith("_file")]:
        try:
            settings[key] = found.secret_file(key).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            continue  # it is to be written
    return ChannelFile(path, name, found.platform, settings, table, text)


def with_placeholder_credentials(raw: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return the parsed configuration with a stand-in for each key of an account that is missing, still a placeholder,
    or in a file that cannot be read. That is enough to render posts and to plan, but not to post."""
    channels = raw.get("channels")
    if not isinstance(channels, dict):
        return raw
    complete = {}
    for number, (name, table) in enumerate(channels.items()):
        complete[name] = _completed(table, str(number), folder) if isinstance(table, dict) else table
    return {**raw, "channels": complete}


def _completed(table: dict[str, Any], stand_in: str, folder: Path) -> dict[str, Any]:
    """Return a channel's section in which no key of its account is missing. The stand-in is a number, which also serves
    as an id."""
    platform = PLATFORMS.get(str(table.get("platform")))
    if platform is None:
        return table
    result = dict(table)
    for key, field in platform.config.model_fields.items():
        file = result.get(f"{key}_file")
        if result.get(key) == PLACEHOLDER:
            del result[key]
        if file is not None and not _is_readable(folder, file):
            del result[f"{key}_file"]
        if field.is_required() and key not in result and f"{key}_file" not in result:
            result[key] = stand_in
    return result


def _is_readable(folder: Path, file: object) -> bool:
    try:
        _path_of(folder, file).open("rb").close()
    except (OSError, ValueError, RuntimeError):  # a file name may be anything
        return False
    return True


def _path_of(folder: Path, file: object) -> Path:
    """Return the path of a file that the configuration in this folder names."""
    return folder / Path(str(file)).expanduser()


def store(
    channel: ChannelFile,
    secrets: Mapping[str, str],
    settings: Mapping[str, str],
    environ: Mapping[str, str],
    now: datetime,
) -> list[Path]:
    """Store a login's secrets, each in a file of its own that only its owner can read, and name these files and the
    settings in the configuration. Return the files.

    Every file is complete or unchanged. Raises ConfigError if something cannot be written, or if an environment
    variable would hide it.
    """
    changed = {key: value for key, value in secrets.items() if channel.settings.get(key) != value}
    for key in changed:
        variable = variable_name("channels", channel.name, key)
        if variable in environ:
            raise ConfigError([f"environment variable {variable} would hide the new value: unset it, and log in again"])
    written: list[tuple[Path, Path]] = []
    try:
        for key, value in changed.items():
            target = channel.secret_file(key)
            written.append((write_next_to(target, value + "\n"), target))
        for fresh, target in written:
            fresh.replace(target)
    except OSError as error:
        for fresh, _ in written:
            fresh.unlink(missing_ok=True)
        raise ConfigError([f"{error.filename or channel.path}: cannot be written: {error.strerror}"]) from error
    text = _edited(channel, {key: channel.secret_file(key) for key in changed}, settings)
    if text != channel.text:
        save(channel.path, text, channel.text, now)
    return [target for _, target in written]


def forget(channel: ChannelFile, keys: list[str], now: datetime) -> list[Path]:
    """Delete these secrets of a channel: their files, or their values in the configuration. Return the files that
    were changed. Raises ConfigError."""
    changed: list[Path] = []
    try:
        for key in keys:
            file = channel.secret_file(key)
            if f"{key}_file" in channel.table and file.exists():
                file.unlink()
                changed.append(file)
    except OSError as error:
        raise ConfigError([f"{error.filename}: cannot be deleted: {error.strerror}"]) from error
    inline = {key: PLACEHOLDER for key in keys if isinstance(channel.table.get(key), str)}
    text = _edited(channel, {}, inline)
    if text != channel.text:
        save(channel.path, text, channel.text, now)
        changed.append(channel.path)
    return changed


def _edited(channel: ChannelFile, files: Mapping[str, Path], settings: Mapping[str, str]) -> str:
    """Return the configuration's text with these files and settings in the channel's section, all else unchanged."""
    import tomlkit

    document: Any = tomlkit.parse(channel.text)
    table = document.get("channels", {}).get(channel.name)
    if table is None:  # it comes from the environment
        return channel.text
    for key, file in files.items():
        table.pop(key, None)
        if f"{key}_file" not in table:
            table[f"{key}_file"] = os.path.relpath(file, channel.path.parent)
    for key, value in settings.items():
        if str(table.get(key, "")) != value:
            table[key] = value
    return tomlkit.dumps(document)
