# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The `hypervisor` option, the same in every module."""

from __future__ import annotations


class ModuleDocFragment:
    """Connection."""

    DOCUMENTATION = r"""
options:
  hypervisor:
    description:
      - The connection to a hypervisor, on one endpoint or several that are treated as one set.
      - "An entry of the connections file is enough, for example C(hypervisor={name: dc1}); the file is
        E(CROSSVIRT_CONNECTIONS), else C(~/.config/crossvirt/connections.yml), where the module runs."
      - Without O(hypervisor.name), omitted keys are taken from the environment, E(CROSSVIRT_TYPE) and
        C(CROSSVIRT_TYPE_KEY) such as E(CROSSVIRT_LIBVIRT_HOSTS), before their default.
      - C(module_defaults) replaces this dictionary as a whole and never merges it.
    type: dict
    suboptions:
      name:
        description:
          - Without O(hypervisor.type), the name of an entry of the connections file; only O(hypervisor.unreachable) and
            O(hypervisor.connect_timeout_seconds) may stand beside it.
          - With O(hypervisor.type), a label for results.
        type: str
      type:
        description: The hypervisor's family. V(libvirt) and V(vsphere) are supported so far.
        type: str
        choices: [vsphere, libvirt, xenserver, hyperv]
      hosts:
        description:
          - Host names, such as that of a vCenter or of an ESXi host, or for V(libvirt) connection URIs such as
            V(qemu+tls://kvm1.example.com/system).
          - Endpoints that lead to the same VMs count once. Secrets inside a URI are refused.
        type: list
        elements: str
      username:
        description: The account, where the hypervisor asks for one.
        type: str
      password:
        description: The account's password.
        type: str
      password_file:
        description: A file, where the module runs, whose first line is the password.
        type: path
      token:
        description: The id of a session that is open, instead of O(hypervisor.username) (vsphere).
        type: str
      validate_certs:
        description: Verify certificates and host keys; V(true) unless given. Plaintext transports need V(false).
        type: bool
      ca_path:
        description: The CA certificate to trust, where the module runs.
        type: path
      connect_timeout_seconds:
        description: How long an endpoint may take to answer, in seconds; V(10) unless given.
        type: float
      unreachable:
        description:
          - What an endpoint that does not answer means, V(fail) unless given.
          - With V(warn) the rest goes on, and named VMs are then accepted by uuid only.
        type: str
        choices: [fail, warn]
      port:
        description: The port (vsphere, hyperv).
        type: int
      thumbprint:
        description: The fingerprint of the certificate to accept, as SHA-1, SHA-256 or SHA-512 (vsphere).
        type: str
      proxy:
        description: The HTTP proxy, as C(host:port) (vsphere).
        type: str
      client_cert:
        description: A client certificate, where the module runs (libvirt over TLS, hyperv).
        type: path
      client_key:
        description: The key of O(hypervisor.client_cert).
        type: path
      transport:
        description: The way to authenticate (hyperv).
        type: str
        choices: [negotiate, kerberos, credssp, certificate, basic]
"""
