"""Finds or fetches what the local chain is made of: protocol artifacts and Anvil.

`python -m keeper.devnet.tools` sets everything up and says what it did. A second run finds
everything in place and needs no network. Nothing is fetched except by the npm client, and
nothing fetched is run before its hash was compared with the one kept in this repository.

To change a package: edit `npm/package.json`, run `npm install --package-lock-only` beside it, and
take the `funding` entries out of the lock, because it is to hold no URL.
"""

import base64
import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from keeper.model.errors import ConfigError

ANVIL_VERSION: Final = (1, 7)
"""Oldest Anvil with the methods and flags used here."""

ANVIL_RELEASE: Final = "1.7.1"
ANVIL_SHA512: Final = {
    ("Linux", "x86_64"): (
        "linux-amd64",
        "+XmShybEaxfCrr0OUUZwYEy2OnYZt5pHH9TzBtLv3+VrK0O/ANuNSVEahqNhKHlgX7GRJ59383ofNhxkRWIYTg==",
    ),
}
"""Platform -> package suffix and the hash of its archive. A platform is added with its hash."""

REMEDIES: Final = (
    "install npm (with Node.js 18 or newer), or set KEEPER_TOOLS to a folder where "
    "`python -m keeper.devnet.tools` has already run"
)
ANVIL_REMEDIES: Final = (
    "set ANVIL to an Anvil binary, or put Foundry's `anvil` 1.7 or newer on the PATH, or install "
    "npm and run `python -m keeper.devnet.tools`"
)

_MANIFEST: Final = Path(__file__).with_name("npm")
_MARKER: Final = "installed.sha256"
_TIMEOUT_S: Final = 300


def tools_dir() -> Path:
    """Return where fetched tools live; it need not exist yet.

    `$KEEPER_TOOLS`, else `.tools/` of a source checkout, else the user's cache folder.
    """
    chosen = os.environ.get("KEEPER_TOOLS")
    if chosen:
        return Path(chosen).expanduser().resolve()
    checkout = Path(__file__).resolve().parents[2]
    if (checkout / "pyproject.toml").is_file():
        return checkout / ".tools"
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "hedge-keeper"


def node_modules() -> Path:
    """Return the folder of installed protocol packages, installing them first if needed.

    Raises:
        ConfigError: npm is missing, or it failed.

    """
    target = tools_dir()
    if not _is_installed(target):
        with _alone(target):
            if not _is_installed(target):
                _install(target)
    return target / "node_modules"


def anvil_path() -> Path:
    """Return an Anvil binary: `$ANVIL`, the PATH's, one fetched earlier, or one fetched now.

    Raises:
        ConfigError: There is none, it is too old, or its hash is not the expected one.

    """
    named = os.environ.get("ANVIL")
    if named:
        return _checked(Path(named).expanduser())
    found = shutil.which("anvil")
    if found and _version(Path(found)) >= ANVIL_VERSION:
        return Path(found)
    fetched = tools_dir() / f"anvil-{ANVIL_RELEASE}"
    if not fetched.is_file():
        with _alone(fetched.parent):
            if not fetched.is_file():
                _fetch_anvil(fetched)
    return fetched


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Keep other processes from installing into the same folder at the same time."""
    target.mkdir(parents=True, exist_ok=True)
    with (target / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _checked(binary: Path) -> Path:
    version = _version(binary)
    if version < ANVIL_VERSION:
        raise ConfigError(
            "the Anvil named by ANVIL is too old or is not one",
            remedy=ANVIL_REMEDIES,
            path=binary,
            version=".".join(map(str, version)) or "none",
        )
    return binary


def _version(binary: Path) -> tuple[int, ...]:
    """Return the version an Anvil binary gives itself; empty if it does not answer as one."""
    try:
        said = subprocess.run(
            [binary, "--version"], capture_output=True, text=True, timeout=30, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ()
    words = said.replace("-", " ").split()
    numbers = next((word for word in words if word[:1].isdigit() and "." in word), "")
    return tuple(int(part) for part in numbers.split(".") if part.isdigit())


def _npm() -> str:
    npm = shutil.which("npm")
    if npm is None:
        raise ConfigError("npm is not installed", remedy=REMEDIES)
    return npm


def _run_npm(*arguments: str) -> None:
    command = [_npm(), *arguments, "--ignore-scripts", "--no-audit", "--no-fund"]
    try:
        subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True)
    except subprocess.CalledProcessError as error:
        said = (error.stderr.strip() or error.stdout.strip()).splitlines()
        raise ConfigError(
            "npm failed", remedy=REMEDIES, arguments=arguments[0], said=" / ".join(said[:3])
        ) from error
    except subprocess.TimeoutExpired as error:
        raise ConfigError("npm did not finish", remedy=REMEDIES, after_s=_TIMEOUT_S) from error


def _lock_hash() -> str:
    return hashlib.sha256((_MANIFEST / "package-lock.json").read_bytes()).hexdigest()


def _is_installed(target: Path) -> bool:
    marker = target / _MARKER
    here = marker.is_file() and (target / "node_modules").is_dir()
    return here and marker.read_text() == _lock_hash()


def _install(target: Path) -> None:
    """Install exactly the locked packages; the marker is written last, so half is not whole."""
    marker = target / _MARKER
    marker.unlink(missing_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(_MANIFEST / name, target / name)
    _run_npm("ci", "--prefix", str(target))
    marker.write_text(_lock_hash())


def _fetch_anvil(target: Path) -> None:
    machine = (platform.system(), platform.machine())
    if machine not in ANVIL_SHA512:
        raise ConfigError(
            "no pinned Anvil for this platform", remedy=ANVIL_REMEDIES, platform="/".join(machine)
        )
    if shutil.which("npm") is None:
        raise ConfigError("there is no Anvil, and no npm to fetch it", remedy=ANVIL_REMEDIES)
    suffix, expected = ANVIL_SHA512[machine]
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        package = f"@foundry-rs/anvil-{suffix}@{ANVIL_RELEASE}"
        _run_npm("pack", package, "--pack-destination", folder)
        archive = next(Path(folder).glob("*.tgz"))
        _verify(archive, expected)
        unpacked = Path(folder) / "anvil"
        with tarfile.open(archive) as packed:
            member = packed.extractfile("package/bin/anvil")
            if member is None:
                raise ConfigError("the Anvil package holds no binary", package=package)
            with unpacked.open("wb") as out:
                shutil.copyfileobj(member, out)
        unpacked.chmod(0o755)
        unpacked.replace(target)


def _verify(archive: Path, expected: str) -> None:
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if digest != expected:
        raise ConfigError(
            "the fetched Anvil is not the pinned one",
            remedy=ANVIL_REMEDIES,
            expected=expected,
            found=digest,
        )


def main() -> int:
    """Set up everything the local chain needs and say what was done; 2 if that is impossible."""
    fresh = _is_installed(tools_dir())
    try:
        packages, anvil = node_modules(), anvil_path()
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    word = "found" if fresh else "installed"
    sys.stdout.write(f"protocol artifacts: {word} in {packages}\nanvil: {anvil}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
