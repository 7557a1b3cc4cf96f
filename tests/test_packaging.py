"""The wheel as a user installs it: built, unpacked elsewhere, and run from there."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from helpers.basics import filled_in

ROOT = Path(__file__).parent.parent


def _environment(site: Path) -> dict[str, str]:
    """Without what would configure digestbot."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("DIGESTBOT_")}
    return others | {"PYTHONPATH": str(site)}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    site = folder / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return site


def run(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = _environment(site)
    return subprocess.run(
        [sys.executable, "-m", "digestbot", *arguments],
        cwd=site.parent,
        env=environment,
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )


def test_everything_that_is_needed_travels(installed: Path) -> None:
    names = {str(path.relative_to(installed)) for path in installed.rglob("*") if path.is_file()}
    for name in [
        "digestbot/py.typed",
        "digestbot/templates/summary.twitter.txt.j2",
        "digestbot/templates/summary.facebook.txt.j2",
        "digestbot/config.example.toml",
        "digestbot/cli/demo-feed.xml",
        "digestbot/sandbox/timelines.html.j2",
        "digestbot/ledger/migrations/versions/0001_first.py",
    ]:
        assert name in names
    assert not any(name.startswith("tests/") for name in names)


def test_the_installed_wheel_does_the_main_job(installed: Path) -> None:
    where = subprocess.run(
        [sys.executable, "-c", "import digestbot; print(digestbot.__file__)"],
        text=True,
        cwd=installed.parent,
        capture_output=True,
        check=True,
        env=_environment(installed),
    )
    assert where.stdout.startswith(str(installed))
    result = run(installed, "demo")
    assert result.returncode == 0, result.stderr
    assert "24 new posts" in result.stdout
    assert run(installed, "init", "--full").returncode == 0
    result = run(installed, "-c", str(filled_in(installed.parent)), "check")
    assert result.returncode == 0, result.stdout
