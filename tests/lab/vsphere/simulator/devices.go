// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"fmt"
	"strings"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// planReconfigure refuses what vSphere refuses: a configuration that has changed since it was read, processors and memory
// of a running VM that cannot be changed hot, and devices that are not there.
func (l *lab) planReconfigure(j *job) fault {
	spec := &j.method.Body.(*types.ReconfigVM_Task).Spec
	j.check = func() fault {
		vm := j.vm
		hardware := &vm.Config.Hardware
		running := powerIs(vm, poweredOn) == nil
		switch {
		case spec.ChangeVersion != "" && spec.ChangeVersion != vm.Config.ChangeVersion:
			return new(types.ConcurrentAccess)
		case running && spec.NumCPUs > hardware.NumCPU && !isTrue(vm.Config.CpuHotAddEnabled),
			running && spec.NumCPUs != 0 && spec.NumCPUs < hardware.NumCPU && !isTrue(vm.Config.CpuHotRemoveEnabled):
			return new(types.CpuHotPlugNotSupported)
		case running && spec.MemoryMB > int64(hardware.MemoryMB) && !isTrue(vm.Config.MemoryHotAddEnabled),
			running && spec.MemoryMB != 0 && spec.MemoryMB < int64(hardware.MemoryMB):
			return new(types.MemoryHotPlugNotSupported)
		}
		for _, option := range spec.ExtraConfig {
			if key := option.GetOptionValue().Key; strings.HasPrefix(key, "SET.") { // the simulator's own side door can end it
				return &types.InvalidArgument{InvalidProperty: "spec.extraConfig"}
			}
		}
		if folder, isFolder := l.registry().Get(*vm.Parent).(*simulator.Folder); isFolder && spec.Name != "" {
			if reason := l.nameFree(&folder.Folder, spec.Name, vm.Self); reason != nil {
				return reason
			}
		}
		return l.checkDevices(spec.DeviceChange, l.hostsOf(vm), vm)
	}
	j.work = func(ctx *simulator.Context) (types.AnyType, fault) {
		l.completeDevices(spec.DeviceChange, l.datacenterOf(j.vm), j.vm)
		return simulated(j.method)(ctx)
	}
	return nil
}

// checkDevices refuses devices that are not there, and networks and datastores that the hosts do not have; at those the
// simulator stumbles. The VM is nil where it is yet to be made.
func (l *lab) checkDevices(changes []types.BaseVirtualDeviceConfigSpec, hosts []*simulator.HostSystem, vm *machine) fault {
	for i, each := range changes {
		change := each.GetVirtualDeviceConfigSpec()
		if change.Device == nil {
			return invalidDevice(i)
		}
		device := change.Device.GetVirtualDevice()
		if vm != nil && change.Operation != types.VirtualDeviceConfigSpecOperationAdd &&
			object.VirtualDeviceList(vm.Config.Hardware.Device).FindByKey(device.Key) == nil {
			return invalidDevice(i)
		}
		switch backing := device.Backing.(type) {
		case *types.VirtualEthernetCardNetworkBackingInfo:
			if !l.networkKnown(backing, hosts) {
				return &types.InvalidDeviceBacking{InvalidDeviceSpec: *invalidDevice(i)}
			}
		case *types.VirtualEthernetCardDistributedVirtualPortBackingInfo:
			if l.registry().Get(ref{Type: "DistributedVirtualPortgroup", Value: backing.Port.PortgroupKey}) == nil {
				return &types.InvalidDeviceBacking{InvalidDeviceSpec: *invalidDevice(i)}
			}
		case types.BaseVirtualDeviceFileBackingInfo:
			if name := backing.GetVirtualDeviceFileBackingInfo().FileName; name != "" {
				if reason := l.datastoreKnown(name, hosts); reason != nil {
					return reason
				}
			}
		}
	}
	return nil
}

func invalidDevice(index int) *types.InvalidDeviceSpec {
	spec := &types.InvalidDeviceSpec{DeviceIndex: int32(index)}
	spec.Property = fmt.Sprintf("virtualDeviceSpec[%d]", index)
	return spec
}

func (l *lab) networkKnown(backing *types.VirtualEthernetCardNetworkBackingInfo, hosts []*simulator.HostSystem) bool {
	for _, network := range l.datacenterOf(hosts[0]).Network {
		if l.nameOf(network) == backing.DeviceName {
			return true
		}
	}
	return false
}

// completeDevices labels new devices as vSphere does, and reads the capacity of disks that exist already.
func (l *lab) completeDevices(changes []types.BaseVirtualDeviceConfigSpec, datacenter *simulator.Datacenter, vm *machine) {
	count := map[string]int{}
	if vm != nil {
		for _, device := range vm.Config.Hardware.Device {
			count[labelOf(device)]++
		}
	}
	for _, each := range changes {
		change := each.GetVirtualDeviceConfigSpec()
		if change.Operation != types.VirtualDeviceConfigSpecOperationAdd {
			continue
		}
		device := change.Device.GetVirtualDevice()
		if label := labelOf(change.Device); label != "" && device.DeviceInfo == nil {
			count[label]++
			device.DeviceInfo = &types.Description{Label: fmt.Sprintf("%s %d", label, count[label])}
		}
		disk, isDisk := change.Device.(*types.VirtualDisk)
		if backing, isFile := device.Backing.(types.BaseVirtualDeviceFileBackingInfo); isDisk && isFile && change.FileOperation == "" {
			if capacity := l.capacityOf(datacenter, backing.GetVirtualDeviceFileBackingInfo().FileName); capacity > 0 {
				disk.CapacityInBytes, disk.CapacityInKB = capacity, capacity/1024
			}
		}
	}
}

func labelOf(device types.BaseVirtualDevice) string {
	switch device.(type) {
	case types.BaseVirtualEthernetCard:
		return "Network adapter"
	case *types.VirtualDisk:
		return "Hard disk"
	case *types.VirtualCdrom:
		return "CD/DVD drive"
	}
	return ""
}
