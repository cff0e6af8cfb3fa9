// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"fmt"
	"hash/fnv"
	"os"
	"strings"
	"time"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

const (
	// guestKey, in the extraConfig of a VM, says what is installed in it: tools or deaf (Tools run, but no wish to shut
	// down is heard). Without it the first disk decides: a copy of the guest image has Tools, any other disk has not.
	guestKey = "lab.guest"
	deaf     = "deaf"

	toolsRunning    = string(types.VirtualMachineToolsRunningStatusGuestToolsRunning)
	toolsNotRunning = string(types.VirtualMachineToolsRunningStatusGuestToolsNotRunning)
)

// UpdateObject starts and ends the guest of each VM whose power state is set.
func (l *lab) UpdateObject(ctx *simulator.Context, changed mo.Reference, changes []types.PropertyChange) {
	for _, change := range changes {
		if change.Name == "runtime.powerState" && changed.Reference().Type == "VirtualMachine" {
			ctx.Update(changed, guestStopped())
			if change.Val == poweredOn {
				l.boot(changed.Reference())
			}
			return
		}
	}
}

// boot lets the guest be there in a moment, unless the VM was started again or stopped in the meantime.
func (l *lab) boot(vm ref) {
	number := l.boots.next(vm)
	time.AfterFunc(guestTime, func() {
		ctx := *l.service.Context
		running := l.machine(vm)
		if running == nil {
			return
		}
		ctx.WithLock(running, func() {
			if powerIs(running, poweredOn) == nil && l.boots.last(vm) == number && l.guestOf(running) != "" {
				ctx.Update(running, guestStarted(running))
			}
		})
	})
}

// guestOf says what is installed in a VM; empty is nothing that knows VMware.
func (l *lab) guestOf(vm *machine) string {
	if set := extra(vm, guestKey); set != "" {
		return strings.TrimPrefix(set, "none")
	}
	disks := object.VirtualDeviceList(vm.Config.Hardware.Device).SelectByType((*types.VirtualDisk)(nil))
	if len(disks) > 0 {
		if content, err := os.ReadFile(l.contentOf(vm, disks[0])); err == nil && strings.HasPrefix(string(content), guestImage) {
			return "tools"
		}
	}
	return ""
}

func extra(vm *machine, key string) string {
	for _, option := range vm.Config.ExtraConfig {
		if value := option.GetOptionValue(); value.Key == key {
			return fmt.Sprint(value.Value)
		}
	}
	return ""
}

func guestStopped() []types.PropertyChange {
	return []types.PropertyChange{
		{Name: "guest.toolsRunningStatus", Val: toolsNotRunning}, {Name: "summary.guest.toolsRunningStatus", Val: toolsNotRunning},
		{Name: "guest.toolsStatus", Val: types.VirtualMachineToolsStatusToolsNotRunning},
		{Name: "summary.guest.toolsStatus", Val: types.VirtualMachineToolsStatusToolsNotRunning},
		{Name: "guest.guestState", Val: string(types.VirtualMachineGuestStateNotRunning)},
		{Name: "guest.hostName", Val: ""}, {Name: "summary.guest.hostName", Val: ""},
		{Name: "guest.ipAddress", Val: ""}, {Name: "summary.guest.ipAddress", Val: ""},
		{Name: "guest.net", Val: []types.GuestNicInfo(nil)},
	}
}

// guestStarted gives each network card an IPv4 and a link-local IPv6 address, the same at every boot.
func guestStarted(vm *machine) []types.PropertyChange {
	var nics []types.GuestNicInfo
	for _, device := range object.VirtualDeviceList(vm.Config.Hardware.Device).SelectByType((*types.VirtualEthernetCard)(nil)) {
		card := device.(types.BaseVirtualEthernetCard).GetVirtualEthernetCard()
		if card.Connectable != nil && !card.Connectable.Connected {
			continue
		}
		sum := fnv.New32a()
		fmt.Fprint(sum, vm.Config.InstanceUuid, card.Key)
		n := sum.Sum32()
		nics = append(nics, nicWith(card, []string{
			fmt.Sprintf("10.%d.%d.%d", n>>16&0xff, n>>8&0xff, 1+n%254), fmt.Sprintf("fe80::250:56ff:%x:%x", n>>16&0xffff, n&0xffff),
		}))
	}
	return guestWith(strings.ToLower(strings.ReplaceAll(vm.Name, "_", "-")), nics)
}

func nicWith(card *types.VirtualEthernetCard, addresses []string) types.GuestNicInfo {
	nic := types.GuestNicInfo{
		Connected: true, MacAddress: card.MacAddress, DeviceConfigId: card.Key, IpAddress: addresses, IpConfig: &types.NetIpConfigInfo{},
	}
	if info := card.DeviceInfo; info != nil {
		nic.Network = info.GetDescription().Summary
	}
	for _, address := range addresses {
		prefix := int32(8)
		if strings.Contains(address, ":") {
			prefix = 64
		}
		nic.IpConfig.IpAddress = append(nic.IpConfig.IpAddress, types.NetIpConfigInfoIpAddress{
			IpAddress: address, PrefixLength: prefix, State: "preferred",
		})
	}
	return nic
}

func guestWith(hostName string, nics []types.GuestNicInfo) []types.PropertyChange {
	first := ""
	if len(nics) > 0 && len(nics[0].IpAddress) > 0 {
		first = nics[0].IpAddress[0]
	}
	return []types.PropertyChange{
		{Name: "guest.toolsRunningStatus", Val: toolsRunning}, {Name: "summary.guest.toolsRunningStatus", Val: toolsRunning},
		{Name: "guest.toolsStatus", Val: types.VirtualMachineToolsStatusToolsOk},
		{Name: "summary.guest.toolsStatus", Val: types.VirtualMachineToolsStatusToolsOk},
		{Name: "guest.guestState", Val: string(types.VirtualMachineGuestStateRunning)},
		{Name: "guest.guestId", Val: "otherLinux64Guest"}, {Name: "guest.guestFamily", Val: "linuxGuest"},
		{Name: "guest.guestFullName", Val: "Other Linux (64-bit)"},
		{Name: "guest.hostName", Val: hostName}, {Name: "summary.guest.hostName", Val: hostName},
		{Name: "guest.net", Val: nics},
		{Name: "guest.ipAddress", Val: first}, {Name: "summary.guest.ipAddress", Val: first},
	}
}
