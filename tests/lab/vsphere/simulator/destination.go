// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"cmp"
	"reflect"
	"slices"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// destination is where a VM would go.
type destination struct {
	host    *simulator.HostSystem
	pool    ref
	freight *freight
	reason  fault // against it
}

// relocation checks a whole specification, with the hosts that may be meant, and says for each of them what is in the way.
// Without host and pool the VM stays where it is.
func (l *lab) relocation(vm *machine, spec *types.VirtualMachineRelocateSpec) ([]*destination, fault) {
	named := append(present(spec.Folder), present(spec.Datastore)...)
	for _, disk := range spec.Disk {
		named = append(named, disk.Datastore)
	}
	for _, needed := range named {
		if l.registry().Get(needed) == nil {
			return nil, &types.ManagedObjectNotFound{Obj: needed}
		}
	}
	possible, reason := l.destinationsOf(vm, spec.Host, spec.Pool)
	if reason != nil {
		return nil, reason
	}
	carried, reason := l.freightOf(vm, spec)
	if reason != nil {
		return nil, reason
	}
	there := l.datacenterOf(possible[0].host)
	if reason := l.folderFits(vm, spec, there); reason != nil {
		return nil, reason
	}
	for _, each := range possible {
		each.freight = carried
		if each.reason == nil {
			each.reason = reachable(each.host, carried.stores)
		}
		if each.reason == nil {
			each.reason = l.networksFit(vm, spec.DeviceChange, each.host)
		}
	}
	return possible, nil
}

// folderFits holds the folder to the datacenter of the host, and the VM to a name that is free there. A move to another
// datacenter has to say the pool.
func (l *lab) folderFits(vm *machine, spec *types.VirtualMachineRelocateSpec, there *simulator.Datacenter) fault {
	here := l.datacenterOf(vm)
	if there != here && spec.Pool == nil && !vm.Config.Template {
		return &types.InvalidArgument{InvalidProperty: "spec.pool"}
	}
	folder := l.folderOf(vm, spec, there)
	if folder == nil {
		return &types.InvalidArgument{InvalidProperty: "spec.folder"}
	}
	if l.datacenterOf(folder) != there {
		return &types.DatacenterMismatch{ExpectedDatacenter: there.Self, InvalidArgument: []types.DatacenterMismatchArgument{
			{Entity: folder.Self, InputDatacenter: &l.datacenterOf(folder).Self},
		}}
	}
	return l.nameFree(&folder.Folder, vm.Name, vm.Self)
}

// folderOf is the folder that is named, the present one, or in another datacenter the root of its VMs.
func (l *lab) folderOf(vm *machine, spec *types.VirtualMachineRelocateSpec, there *simulator.Datacenter) *simulator.Folder {
	meant := vm.Parent
	switch {
	case spec.Folder != nil:
		meant = spec.Folder
	case there != l.datacenterOf(vm):
		meant = &there.VmFolder
	}
	folder, _ := l.registry().Get(*meant).(*simulator.Folder)
	return folder
}

// networksFit holds each network card to a network that the host has: the new one, or the present one.
func (l *lab) networksFit(vm *machine, changes []types.BaseVirtualDeviceConfigSpec, host *simulator.HostSystem) fault {
	if reason := l.checkDevices(changes, []*simulator.HostSystem{host}, vm); reason != nil {
		return reason
	}
	for _, device := range l.replugged(vm, changes, l.datacenterOf(host)) {
		card, isCard := device.(types.BaseVirtualEthernetCard)
		if !isCard {
			continue
		}
		if network := l.networkOf(card); network == nil || !slices.Contains(host.Network, *network) {
			reason := new(types.CannotAccessNetwork)
			reason.Device, reason.Network = labelOf(device), network
			reason.Backing, reason.Connected = reflect.TypeOf(card.GetVirtualEthernetCard().Backing).Elem().Name(), true
			return reason
		}
	}
	return nil
}

func present(r *ref) []ref {
	if r == nil {
		return nil
	}
	return []ref{*r}
}

// destinationsOf resolves host and pool as documented for RelocateVM_Task: an unset pool is the present one, an unset host
// the present one or, of another pool, the one that stands alone, those that DRS may choose for a VM that runs, and any
// for one that does not.
func (l *lab) destinationsOf(vm *machine, host, pool *ref) ([]*destination, fault) {
	if host == nil && pool == nil {
		host = vm.Runtime.Host
	}
	if pool == nil {
		if pool = vm.ResourcePool; pool == nil { // a template
			pool = l.rootPool(*host)
		}
	}
	target, isPool := l.registry().Get(*pool).(*simulator.ResourcePool)
	if !isPool {
		return nil, &types.ManagedObjectNotFound{Obj: *pool}
	}
	if host != nil {
		to, isHost := l.registry().Get(*host).(*simulator.HostSystem)
		switch {
		case !isHost:
			return nil, &types.ManagedObjectNotFound{Obj: *host}
		case *to.Parent != target.Owner:
			return nil, &types.InvalidArgument{InvalidProperty: "pool"}
		}
		one := &destination{host: to, pool: target.Self}
		if *host != *vm.Runtime.Host {
			one.reason = usable(to)
		}
		return []*destination{one}, nil
	}
	cluster, isCluster := l.registry().Get(target.Owner).(*simulator.ClusterComputeResource)
	running := powerIs(vm, poweredOn) == nil
	if isCluster && running && !isTrue(cluster.ConfigurationEx.(*types.ClusterConfigInfoEx).DrsConfig.Enabled) {
		return nil, &types.InvalidArgument{InvalidProperty: "host"}
	}
	hosts, _ := l.hostsFor(target, nil)
	var list []*destination
	for _, each := range hosts {
		if usable(each) == nil {
			list = append(list, &destination{host: each, pool: target.Self})
		}
	}
	if list == nil {
		return nil, new(types.NoCompatibleHost)
	}
	slices.SortStableFunc(list, func(a, b *destination) int { // who can stay stays
		return cmp.Compare(boolToInt(a.host.Self != *vm.Runtime.Host), boolToInt(b.host.Self != *vm.Runtime.Host))
	})
	return list, nil
}

func boolToInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// fit is the first destination with nothing in the way, else what is in the way of the first.
func fit(possible []*destination, reason fault) (*destination, fault) {
	if reason != nil {
		return nil, reason
	}
	for _, each := range possible {
		if each.reason == nil {
			return each, nil
		}
	}
	return nil, possible[0].reason
}

func (l *lab) rootPool(host ref) *ref {
	if found, isHost := l.registry().Get(host).(*simulator.HostSystem); isHost {
		switch parent := l.registry().Get(*found.Parent).(type) {
		case *simulator.ClusterComputeResource:
			return parent.ResourcePool
		case *mo.ComputeResource:
			return parent.ResourcePool
		}
	}
	return &host
}

func usable(host *simulator.HostSystem) fault {
	state := types.InvalidHostState{Host: &host.Self}
	switch {
	case host.Runtime.ConnectionState != types.HostSystemConnectionStateConnected:
		return &types.InvalidHostConnectionState{InvalidHostState: state}
	case host.Runtime.InMaintenanceMode:
		return &state
	}
	return nil
}

// reachable says whether a host sees all the datastores.
func reachable(host *simulator.HostSystem, stores []ref) fault {
	for _, store := range stores {
		if !slices.Contains(host.Datastore, store) {
			why := &types.InaccessibleDatastore{InvalidDatastore: types.InvalidDatastore{Datastore: &store}}
			return &types.CannotAccessVmDisk{Fault: types.LocalizedMethodFault{Fault: why, LocalizedMessage: faultText(why)}}
		}
	}
	return nil
}
