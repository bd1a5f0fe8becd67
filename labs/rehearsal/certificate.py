"""Certificates that nobody but their owner has signed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from labs.harness.commands import run


@dataclass(frozen=True)
class Certificate:
    """Two files in PEM."""

    file: Path
    key: Path


def make_certificate(folder: Path, name: str, *hosts: str) -> Certificate:
    """Make a self-signed certificate for *hosts*, valid for a day."""
    made = Certificate(folder / f"{name}.crt", folder / f"{name}.key")
    names = ",".join([*(f"DNS:{host}" for host in hosts), "IP:127.0.0.1"])
    request = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    request += ["-subj", f"/CN={hosts[0]}", "-addext", f"subjectAltName={names}"]
    run("openssl", *request, "-keyout", made.key, "-out", made.file, cwd=folder)
    return made
