# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What to wait for after a change."""

from __future__ import annotations


class ModuleDocFragment:
    """The `wait_for` option."""

    DOCUMENTATION = r"""
options:
  wait_for:
    description:
      - What must hold before a VM counts as done, also when nothing had to change.
      - Goes with a VM that runs afterwards.
    type: dict
    suboptions:
      guest:
        description: Wait until the guest's agent answers.
        type: bool
        default: false
      address:
        description: Wait until the guest has an address of this kind.
        type: dict
        suboptions:
          family:
            description: The address family, any unless given.
            type: int
            choices: [4, 6]
          cidr:
            description: A network that the address must be in, such as V(192.0.2.0/24).
            type: str
          link_local:
            description: Whether a link-local address is enough.
            type: bool
            default: false
      timeout_seconds:
        description: How long to wait, in seconds, for each of the two.
        type: float
        default: 300
"""
