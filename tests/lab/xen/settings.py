# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the Xen lab of an instance lives, beside the libvirt lab of the same number."""

from pathlib import Path

from tests.lab.settings import INSTANCE, OUTPUT

NET = f"10.78.{INSTANCE}"
PREFIX = f"cx{INSTANCE}"
BRIDGE = f"{PREFIX}br"
ROOT_ADDRESS = f"{NET}.254"
PROXY_PORT_BASE = 16500

# Short, because a unix socket's path holds 107 characters.
RUNTIME = Path(f"/var/lib/crossvirt-xen-{INSTANCE}")
CONNECTIONS, FACTS = OUTPUT / "xen.yml", OUTPUT / "xen.json"
PACKAGES = Path(__file__).with_name("packages.txt")
