# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which VMs a task means."""

from __future__ import annotations


class ModuleDocFragment:
    """Choice of VMs; `bulk` goes with modules that change them."""

    DOCUMENTATION = r"""
options:
  name:
    description: The VM's name. Two VMs of one name are an error that lists both.
    type: str
  uuid:
    description: The VM's UUID.
    type: str
  id:
    description: The VM's native identifier; for libvirt the same as its UUID, for vSphere the managed object id.
    type: str
  path:
    description: The VM's inventory path, such as V(/dc1/vm/web/web1) (vsphere).
    type: str
  vms:
    description:
      - Several VMs. An entry is a name, or a dictionary with exactly one of C(name), C(uuid), C(id), C(path).
    type: list
    elements: raw
  select:
    description: Every VM of which all of this holds; at least one condition.
    type: dict
    suboptions:
      name:
        description: A shell-style pattern for the name, such as V(web*).
        type: str
      host:
        description: The host that the VM is on.
        type: str
      cluster:
        description: The cluster that the VM is in.
        type: str
      folder:
        description: The folder that the VM is in.
        type: str
      pool:
        description: The resource pool that the VM is in.
        type: str
      state:
        description: The state that the VM is in.
        type: str
        choices: [running, stopped, paused, suspended, crashed, changing, unknown]
      labels:
        description: Labels that the VM has; a value may be a list, of which one is enough, or empty for any value.
        type: dict
"""

    BULK = r"""
options:
  max_vms:
    description:
      - The most VMs that O(select) may match; more is an error before anything is changed.
      - Left out it is 1 where memory or data can be lost, and unlimited elsewhere.
    type: int
  parallel:
    description: How many VMs are worked on at a time, waits included. V(1) is a rolling change.
    type: int
    default: 10
  on_failure:
    description: Whether a failure on one VM lets the others begin; those under way always finish.
    type: str
    choices: [continue, stop]
    default: continue
"""
