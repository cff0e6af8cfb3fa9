// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"reflect"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// replugged are the devices of a VM with the changes of a relocation, of which only networks of cards count.
func (l *lab) replugged(vm *machine, changes []types.BaseVirtualDeviceConfigSpec, there *simulator.Datacenter) []types.BaseVirtualDevice {
	backings := map[int32]types.BaseVirtualDeviceBackingInfo{}
	for _, each := range changes {
		device := each.GetVirtualDeviceConfigSpec().Device
		if _, isCard := device.(types.BaseVirtualEthernetCard); isCard {
			backings[device.GetVirtualDevice().Key] = device.GetVirtualDevice().Backing
		}
	}
	var list []types.BaseVirtualDevice
	for _, device := range vm.Config.Hardware.Device {
		if backing, changes := backings[device.GetVirtualDevice().Key]; changes {
			device = shallow(device)
			device.GetVirtualDevice().Backing = l.completed(backing, there)
		}
		list = append(list, device)
	}
	return list
}

// shallow is another device with the same parts.
func shallow(device types.BaseVirtualDevice) types.BaseVirtualDevice {
	other := reflect.New(reflect.TypeOf(device).Elem())
	other.Elem().Set(reflect.ValueOf(device).Elem())
	return other.Interface().(types.BaseVirtualDevice)
}

// completed finds the network of a name.
func (l *lab) completed(backing types.BaseVirtualDeviceBackingInfo, there *simulator.Datacenter) types.BaseVirtualDeviceBackingInfo {
	standard, isStandard := backing.(*types.VirtualEthernetCardNetworkBackingInfo)
	if !isStandard {
		return backing
	}
	other := *standard
	other.Network = nil
	for _, network := range there.Network {
		if l.nameOf(network) == other.DeviceName {
			other.Network = &network
		}
	}
	return &other
}

// networkOf is what a card is plugged into.
func (l *lab) networkOf(card types.BaseVirtualEthernetCard) *ref {
	switch backing := card.GetVirtualEthernetCard().Backing.(type) {
	case *types.VirtualEthernetCardNetworkBackingInfo:
		return backing.Network
	case *types.VirtualEthernetCardDistributedVirtualPortBackingInfo:
		return &ref{Type: "DistributedVirtualPortgroup", Value: backing.Port.PortgroupKey}
	}
	return nil
}

// replug changes what can be seen of new networks.
func (l *lab) replug(ctx *simulator.Context, vm *machine, devices []types.BaseVirtualDevice) {
	backings := map[int32]types.BaseVirtualDeviceBackingInfo{}
	var networks []ref
	for _, device := range devices {
		if card, isCard := device.(types.BaseVirtualEthernetCard); isCard {
			backings[device.GetVirtualDevice().Key] = device.GetVirtualDevice().Backing
			if network := l.networkOf(card); network != nil {
				networks = append(networks, *network)
			}
		}
	}
	var list []types.BaseVirtualDevice
	for _, device := range vm.Config.Hardware.Device { // whose files may have moved meanwhile
		if backing, isCard := backings[device.GetVirtualDevice().Key]; isCard {
			device = shallow(device)
			device.GetVirtualDevice().Backing = backing
		}
		list = append(list, device)
	}
	ctx.WithLock(vm, func() {
		ctx.Update(vm, []types.PropertyChange{{Name: "config.hardware.device", Val: list}, {Name: "network", Val: networks}})
	})
}
