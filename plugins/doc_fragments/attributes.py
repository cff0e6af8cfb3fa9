# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every module of the collection keeps to."""

from __future__ import annotations


class ModuleDocFragment:
    """Attributes: `changing` goes with modules that change VMs, `info` with those that only read."""

    DOCUMENTATION = r"""
requirements:
  - Python >= 3.11 where the module runs
  - libvirt-python (libvirt)
  - pyvmomi >= 8.0.3 (vsphere)
  - PyYAML (connections file)
attributes:
  action_group:
    description: C(group/crossvirt.lifecycle.all) in C(module_defaults) sets options for every module.
    support: full
    membership: [crossvirt.lifecycle.all]
  async:
    description: Supports being run with the C(async) keyword.
    support: full
  platform:
    description: Runs where Python reaches the hypervisor, most often on the controller itself.
    support: full
    platforms: posix
"""

    CHANGING = r"""
attributes:
  check_mode:
    description: Predicts what a real run would do, with the same result and no write call to the hypervisor.
    support: full
  diff_mode:
    description: Returns before and after of every VM that changes.
    support: full
notes:
  - Everything is found, planned and checked before the first change.
    If one VM is unknown, ambiguous or refused, nothing is changed.
  - Never use the task keyword C(timeout) on a changing task, it leaves the module running; use the options in seconds.
"""

    HOST_CHANGING = r"""
attributes:
  check_mode:
    description: Predicts what a real run would do, with the same result and no write call to the hypervisor.
    support: full
  diff_mode:
    description: Returns before and after of every host that changes.
    support: full
notes:
  - Everything is found, planned and checked before the first change.
    If one host is unknown, ambiguous or refused, nothing is changed.
  - Never use the task keyword C(timeout) on a changing task, it leaves the module running; use the options in seconds.
"""

    INFO = r"""
attributes:
  check_mode:
    description: Only reads, in check mode too.
    support: full
  diff_mode:
    description: Changes nothing, so there is nothing to show.
    support: none
"""
