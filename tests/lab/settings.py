# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the lab lives: one instance number decides every name and address, so that several labs can coexist."""

import os
from pathlib import Path

INSTANCE = int(os.environ.get("CROSSVIRT_LAB", "0"))
NET = f"10.77.{INSTANCE}"
PREFIX = f"cv{INSTANCE}"
BRIDGE = f"{PREFIX}br"

# Short, because a unix socket's path holds 107 characters.
RUNTIME = Path(f"/var/lib/crossvirt-lab-{INSTANCE}")
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "crossvirt-lab"

# For people and tests, in the checkout; further instances have a folder of their own below.
CHECKOUT = Path(__file__).parents[2]
OUTPUT = CHECKOUT / ".lab" / (str(INSTANCE) if INSTANCE else "")

ROOT_ADDRESS = f"{NET}.254"
BLACK_HOLE_ADDRESS = f"{NET}.253"
HALF_DEAD_PORT = 16600
REFUSED_PORT = 16699
PROXY_PORT_BASE = 16500
FLEET_NUMBER = 90
MAX_HOSTS = 8
