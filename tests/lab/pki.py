# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates: one authority that signs hosts and client, and a rogue one with a client of its own.

RSA, because libvirt 9.0 refuses EC keys ("usage does not permit key encipherment").
"""

from pathlib import Path

from tests.lab.commands import run
from tests.lab.settings import RUNTIME

FOLDER = RUNTIME / "pki"
CA, ROGUE_CA = FOLDER / "ca.pem", FOLDER / "rogue-ca.pem"
CLIENT_CERT, CLIENT_KEY = FOLDER / "client.pem", FOLDER / "client.key"
ROGUE_CERT, ROGUE_KEY = FOLDER / "rogue.pem", FOLDER / "rogue.key"
USES = "encryption_key\nsigning_key\nexpiration_days = 3650\n"


def create(folder: Path = FOLDER) -> None:
    """Make both authorities and both client certificates."""
    folder.mkdir(mode=0o700, parents=True)
    for names in ((CA, CLIENT_CERT, CLIENT_KEY), (ROGUE_CA, ROGUE_CERT, ROGUE_KEY)):
        authority, cert, key = (folder / path.name for path in names)
        new_key(authority.with_suffix(".key"))
        template = new_template(authority, f"cn = {authority.stem}\nca\ncert_signing_key\nexpiration_days = 3650\n")
        certtool(
            "--generate-self-signed",
            "--load-privkey",
            authority.with_suffix(".key"),
            "--template",
            template,
            "--outfile",
            authority,
        )
        sign(authority, cert, key, f"cn = {cert.stem}\ntls_www_client\n{USES}")


def install(etc_pki: Path, name: str, address: str, folder: Path = FOLDER) -> None:
    """Fill a host's /etc/pki: it is a server, a client in migrations, and QEMU has names of its own for both."""
    authority, cert, key = folder / CA.name, folder / f"{name}.pem", folder / f"{name}.key"
    names = f"cn = {name}\ndns_name = {name}\nip_address = {address}\n"
    sign(authority, cert, key, f"{names}tls_www_server\ntls_www_client\n{USES}")
    for role in ("server", "client"):
        place(cert, etc_pki / f"libvirt/{role}cert.pem", etc_pki / f"qemu/{role}-cert.pem")
        place(key, etc_pki / f"libvirt/private/{role}key.pem", etc_pki / f"qemu/{role}-key.pem")
    place(authority, etc_pki / "CA/cacert.pem", etc_pki / "qemu/ca-cert.pem")


def sign(authority: Path, cert: Path, key: Path, template: str) -> None:
    """Make a key and a certificate of it, signed by an authority."""
    new_key(key)
    signer = ("--load-ca-certificate", authority, "--load-ca-privkey", authority.with_suffix(".key"))
    certtool(
        "--generate-certificate",
        "--load-privkey",
        key,
        *signer,
        "--template",
        new_template(cert, template),
        "--outfile",
        cert,
    )


def new_key(path: Path) -> None:
    """Make an RSA key of 2048 bits."""
    certtool("--generate-privkey", "--rsa", "--bits", "2048", "--outfile", path)


def new_template(cert: Path, text: str) -> Path:
    """Write down what a certificate is to say; certtool takes it from a file only."""
    path = cert.with_suffix(".info")
    path.write_text(f"organization = crossvirt lab\n{text}")
    return path


def place(source: Path, *targets: Path) -> None:
    """Copy a file, private to root."""
    for target in targets:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        target.touch(mode=0o600)
        target.write_bytes(source.read_bytes())


def certtool(*argv: str | Path) -> None:
    """Run GnuTLS's tool, which libvirt's and QEMU's own documentation use."""
    run("certtool", *argv)
