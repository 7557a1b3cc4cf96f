"""The files that run digestbot as a service: systemd's unit and the compose file."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
UNIT = ROOT / "contrib" / "digestbot.service"


def verified(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze: not on this machine")
    file = folder / "digestbot.service"
    file.write_text(UNIT.read_text().replace("/opt/digestbot/bin/digestbot", "/bin/true"))  # which exists here
    return subprocess.run(["systemd-analyze", *command, str(file)], capture_output=True, text=True, timeout=60)


def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    result = verified(tmp_path, "verify")
    assert (result.returncode, result.stderr) == (0, "")


def test_the_unit_is_hardened(tmp_path: Path) -> None:
    result = verified(tmp_path, "security", "--offline=true")
    (exposure,) = re.findall(r"exposure level for digestbot.service: ([\d.]+)", result.stdout)
    assert float(exposure) < 2.0


def test_the_unit_and_its_page_name_the_same_things() -> None:
    unit, page = UNIT.read_text(), (ROOT / "docs" / "operations.md").read_text()
    for name in ("/etc/digestbot/config.toml", "/etc/digestbot/credentials", "/var/lib/digestbot", "/opt/digestbot"):
        assert name in unit
        assert name in page
    assert "%d/digestbot_x-access-token" in unit  # systemd joins the credential's and the file's name
    assert "WatchdogSec=" in unit


def test_the_compose_file_is_valid_and_unprivileged() -> None:
    yaml = pytest.importorskip("yaml", reason="needs PyYAML, which digestbot[alerts] brings")
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
    assert set(compose) == {"x-digestbot", "services", "volumes", "secrets"}
    ours = compose["services"]["digestbot"]
    for one in (ours, compose["services"]["setup"]):
        assert one["read_only"] is True
        assert one["cap_drop"] == ["ALL"]
    assert "./config:/config:ro" in ours["volumes"]
    assert all(port.startswith("127.0.0.1:") for port in ours["ports"])
    volumes = {volume.partition(":")[0] for one in compose["services"].values() for volume in one["volumes"]}
    assert {name for name in volumes if not name.startswith(".")} == set(compose["volumes"])
    assert compose["services"]["postgresql"]["profiles"] == ["postgresql"]
    assert "password" not in str(ours).lower()
    docker = (ROOT / "Dockerfile").read_text()
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    for file in (*wheel["force-include"], *wheel["shared-data"], *wheel["packages"]):  # what the build needs
        top = Path(file).parts[0]
        assert re.search(rf"^COPY .*\b{re.escape(top)}", docker, re.MULTILINE), file
        assert f"!{top}" in (ROOT / ".dockerignore").read_text().splitlines(), file
    assert 'VOLUME ["/ledger"]' in docker
    assert "DIGESTBOT_CONFIG=/config/config.toml" in docker
