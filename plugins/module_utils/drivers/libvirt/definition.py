# SPDX-License-Identifier: GPL-3.0-or-later
"""Our specification into libvirt's words: the XML of a new VM, and of a copy; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from string import ascii_lowercase
from xml.etree import ElementTree as ET

from ...model import NicSpec, VmSpec
from .convert import AGENT_CHANNEL, KIB, LABELS, LIBOSINFO, OURS
from .disks import MEDIA

X86 = ("x86_64", "i686")
PREFIX = {"virtio": "vd", "scsi": "sd", "sata": "sd", "xen": "xvd"}
LARGEST = 26 * 27  # disks of one prefix: a to zz

for _prefix, _space in (("labels", LABELS), ("crossvirt", OURS), ("libosinfo", LIBOSINFO)):
    ET.register_namespace(_prefix, _space)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What kind of VM this host offers; `cpu` is a CPU mode, None leaves it to libvirt, as `nic` does.

    With a `bootloader` the host finds the system on the first disk; there is no firmware then.
    """

    kind: str
    arch: str
    os_type: str
    hardware: str | None = None
    cpu: str | None = None
    uefi: bool = False
    secure_boot: bool = False
    bootloader: str | None = None
    disk_driver: str = "qemu"
    disk_format: str = "qcow2"
    bus: str = "virtio"
    nic: str | None = "virtio"


@dataclass(frozen=True, slots=True)
class Drive:
    """A disk of the VM: its file on the host and how it is attached."""

    path: str
    bus: str


def machine_from(capabilities: str) -> Machine:
    """Return the best that a host offers: its own architecture, KVM before emulation, q35 where there is one."""
    root = ET.fromstring(capabilities)
    native = root.findtext("host/cpu/arch")
    guests = [guest for guest in root.iterfind("guest") if guest.findtext("os_type") == "hvm"] or root.findall("guest")
    arches = [(guest.findtext("os_type", "hvm"), arch) for guest in guests for arch in guest.iterfind("arch")]
    os_type, arch = next((pair for pair in arches if pair[1].get("name") == native), arches[0])
    kinds = [domain.get("type", "") for domain in arch.iterfind("domain")]
    machines = {machine.text for machine in arch.iterfind(".//machine")}
    return Machine(
        kind="kvm" if "kvm" in kinds else kinds[0],
        arch=arch.get("name", ""),
        os_type=os_type,
        hardware="q35" if "q35" in machines else None,
    )


def machine_with(machine: Machine, domain_capabilities: str) -> Machine:
    """Add what libvirt says of this kind of VM: firmware, and under KVM the host's own CPU model."""
    root = ET.fromstring(domain_capabilities)
    efi = root.find("os[@supported='yes']/enum[@name='firmware']/value[.='efi']") is not None
    secure = root.find("os/loader/enum[@name='secure']/value[.='yes']") is not None
    own_model = root.find("cpu/mode[@name='host-model'][@supported='yes']") is not None
    return replace(
        machine,
        cpu="host-model" if own_model and machine.kind == "kvm" else None,
        uefi=efi,
        secure_boot=efi and secure,
    )


def definition(spec: VmSpec, uuid: str, machine: Machine, drives: Sequence[Drive]) -> str:
    """Return the XML of a new VM."""
    root = ET.Element("domain", type=machine.kind)
    child(root, "name", spec.name)
    child(root, "uuid", uuid)
    set_texts(root, spec)
    set_sizes(root, spec)
    if machine.bootloader:
        child(root, "bootloader", machine.bootloader)
        child(child(root, "os"), "type", machine.os_type, arch=machine.arch, machine=machine.hardware)
    else:
        add_firmware(root, spec, machine)
        features = child(root, "features")
        if machine.arch in X86:
            child(features, "acpi")
            child(features, "apic")
        if spec.secure_boot:
            child(features, "smm", state="on")
    if machine.cpu:
        child(root, "cpu", mode=machine.cpu)
    add_devices(child(root, "devices"), spec, machine, drives)
    return written(root)


def add_firmware(root: ET.Element, spec: VmSpec, machine: Machine) -> None:
    """Say how it boots: from its disks, then from the network."""
    uefi = spec.firmware == "uefi"
    system = child(root, "os", firmware="efi" if uefi else None)
    child(system, "type", machine.os_type, arch=machine.arch, machine=machine.hardware)
    if uefi:
        secure = "yes" if spec.secure_boot else "no"  # left open, libvirt may take one that boots signed systems only
        firmware = child(system, "firmware")
        child(firmware, "feature", enabled=secure, name="secure-boot")
        if spec.secure_boot:
            child(firmware, "feature", enabled="yes", name="enrolled-keys")
            child(system, "loader", secure="yes")
    child(system, "boot", dev="hd")
    child(system, "boot", dev="network")


def add_devices(devices: ET.Element, spec: VmSpec, machine: Machine, drives: Sequence[Drive]) -> None:
    """Add disks and NICs, and what every VM has: a console, a channel for the guest's agent and randomness."""
    for drive, target in zip(drives, targets([drive.bus for drive in drives]), strict=True):
        disk = child(devices, "disk", type="file", device="disk")
        child(disk, "driver", name=machine.disk_driver, type=machine.disk_format)
        child(disk, "source", file=drive.path)
        child(disk, "target", dev=target, bus=drive.bus)
    if any(drive.bus == "scsi" for drive in drives):
        child(devices, "controller", type="scsi", model="virtio-scsi")
    add_nics(devices, spec.nics or ())
    if machine.kind == "test":
        return
    child(devices, "console", type="pty")
    if machine.kind == "xen":
        return
    channel = child(devices, "channel", type="unix")
    child(channel, "target", type="virtio", name=AGENT_CHANNEL)
    rng = child(devices, "rng", model="virtio")
    child(rng, "backend", "/dev/urandom", model="random")


def add_nics(devices: ET.Element, nics: Sequence[NicSpec]) -> None:
    """Add NICs on libvirt's networks; libvirt chooses the hardware addresses that are not given."""
    for nic in nics:
        interface = child(devices, "interface", type="network")
        if nic.mac:
            child(interface, "mac", address=nic.mac)
        child(interface, "source", network=nic.network)
        if nic.model:
            child(interface, "model", type=nic.model)


def copy_of(source: str, spec: VmSpec, uuid: str, machine: Machine, paths: Sequence[str]) -> str:
    """Return the XML of a copy: own name, uuid, addresses, and disks at `paths`; the specification overrides.

    A medium in a drive and a disk that is shared stay as they are.
    """
    root = ET.fromstring(source)
    root.attrib.pop("id", None)
    element(root, "name").text = spec.name
    element(root, "uuid").text = uuid
    for disk, path in zip(own_disks(root), paths, strict=True):
        use_own_file(disk, path, machine)
    for interface in root.iterfind("devices/interface"):
        drop(interface, "mac", "target", "backend/tap")
    for channel in root.iterfind("devices/channel[@type='unix']"):
        drop(channel, "source")  # its socket is named after the VM
    if (generation := root.find("genid")) is not None:
        generation.text = None
    devices = element(root, "devices")
    if spec.nics is not None:
        for interface in devices.findall("interface"):
            devices.remove(interface)
        add_nics(devices, spec.nics)
    set_texts(root, spec)
    set_sizes(root, spec)
    return written(root)


def use_own_file(disk: ET.Element, path: str, machine: Machine) -> None:
    """Let a disk of a copy use its own file, which it may write to."""
    drop(disk, "backingStore", "readonly", "source")
    disk.set("type", "file")
    disk.insert(0, ET.Element("source", file=path))
    element(disk, "driver").set("name", machine.disk_driver)
    element(disk, "driver").set("type", machine.disk_format)


def own_disks(domain: ET.Element) -> list[ET.Element]:
    """Return the disks that are copied with a VM: neither media in drives nor shared with others."""
    return [
        disk
        for disk in domain.iterfind("devices/disk")
        if disk.get("device", "disk") not in MEDIA and disk.find("shareable") is None
    ]


def set_texts(root: ET.Element, spec: VmSpec) -> None:
    """Set notes, labels and the guest's system, where they are specified."""
    if spec.notes is not None:
        drop(root, "description")
        child(root, "description", spec.notes)
    if spec.labels is not None:
        metadata = emptied(root, f"{{{LABELS}}}labels")
        labels = child(metadata, f"{{{LABELS}}}labels")
        for key, values in spec.labels.items():
            for value in values:
                child(labels, f"{{{LABELS}}}label", value, key=key)
    if spec.guest_os is not None:
        metadata = emptied(root, f"{{{LIBOSINFO}}}libosinfo", f"{{{OURS}}}vm")
        if spec.guest_os.startswith(("http://", "https://")):  # an id of libosinfo
            child(child(metadata, f"{{{LIBOSINFO}}}libosinfo"), f"{{{LIBOSINFO}}}os", id=spec.guest_os)
        else:
            child(metadata, f"{{{OURS}}}vm", guest_os=spec.guest_os)


def set_sizes(root: ET.Element, spec: VmSpec) -> None:
    """Set memory and CPUs, where they are specified."""
    if spec.memory_bytes is not None:
        drop(root, "memory", "currentMemory")
        child(root, "memory", str(spec.memory_bytes // KIB), unit="KiB")
    if spec.cpus is not None:
        drop(root, "vcpu", "vcpus", "cpu/topology")
        child(root, "vcpu", str(spec.cpus))


def targets(buses: Sequence[str]) -> list[str]:
    """Return the names of disks, vda, vdb, sda ...: the order of the disks on a bus is the order of their names."""
    counts = dict.fromkeys(PREFIX.values(), 0)
    names = []
    for bus in buses:
        prefix = PREFIX[bus]
        first, second = divmod(counts[prefix], 26)
        names.append(prefix + (ascii_lowercase[first - 1] if first else "") + ascii_lowercase[second])
        counts[prefix] += 1
    return names


def child(parent: ET.Element, tag: str, text: str | None = None, **attributes: str | None) -> ET.Element:
    """Add an element; attributes that are None are left out."""
    added = ET.SubElement(parent, tag, {key: value for key, value in attributes.items() if value is not None})
    added.text = text
    return added


def element(parent: ET.Element, tag: str) -> ET.Element:
    """Return a child, made where there is none."""
    found = parent.find(tag)
    return child(parent, tag) if found is None else found


def emptied(root: ET.Element, *tags: str) -> ET.Element:
    """Return the metadata without these elements."""
    metadata = element(root, "metadata")
    drop(metadata, *tags)
    return metadata


def drop(parent: ET.Element, *paths: str) -> None:
    """Remove children, or what is one level below them."""
    for path in paths:
        above, _slash, tag = path.rpartition("/") if "{" not in path else ("", "", path)
        holder = parent.find(above) if above else parent
        for one in holder.findall(tag) if holder is not None else ():
            if holder is not None:
                holder.remove(one)


def written(root: ET.Element) -> str:
    """Return the XML as text."""
    return ET.tostring(root, encoding="unicode")
