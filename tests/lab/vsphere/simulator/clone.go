// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// planClone checks references, and a linked clone's snapshot. What the simulator forgets is copied afterwards.
func (l *lab) planClone(j *job) fault {
	if l.onESX() {
		return new(types.NotSupported)
	}
	body := j.method.Body.(*types.CloneVM_Task)
	spec, place := &body.Spec, &body.Spec.Location
	j.shared, j.cancelable = true, true
	j.check = func() fault {
		optional := slices.Concat(present(place.Host), present(place.Pool), present(place.Datastore), present(spec.Snapshot))
		for _, needed := range append(optional, body.Folder) {
			if l.registry().Get(needed) == nil {
				return &types.ManagedObjectNotFound{Obj: needed}
			}
		}
		linked := place.DiskMoveType == string(types.VirtualMachineRelocateDiskMoveOptionsCreateNewChildDiskBacking)
		if linked && (spec.Snapshot == nil || node(j.vm, *spec.Snapshot) == nil) {
			return &types.InvalidArgument{InvalidProperty: "spec.snapshot"}
		}
		hosts, reason := l.cloneHosts(j.vm, place)
		if reason != nil {
			return reason
		}
		place.Host = &hosts[0].Self
		changes := slices.Clone(place.DeviceChange)
		if spec.Config != nil {
			changes = append(changes, spec.Config.DeviceChange...)
		}
		return l.checkDevices(changes, hosts, j.vm)
	}
	j.work = func(ctx *simulator.Context) (types.AnyType, fault) {
		power := spec.PowerOn && !spec.Template
		spec.PowerOn = false
		if spec.Config != nil {
			l.completeDevices(spec.Config.DeviceChange, l.datacenterOf(j.vm), j.vm)
		}
		made, reason := l.make(ctx, j, body.Name)
		if reason != nil {
			return nil, reason
		}
		clone := l.machine(made.(ref))
		l.completeClone(ctx, j.vm, clone, spec)
		if power {
			l.inner("PowerOnVM_Task", &types.PowerOnVM_Task{This: clone.Self}, clone.Self)(ctx)
		}
		return made, nil
	}
	return nil
}

// cloneHosts lists hosts that can take a clone: of the pool, which templates lack, and with a view of the datastore.
func (l *lab) cloneHosts(vm *machine, place *types.VirtualMachineRelocateSpec) ([]*simulator.HostSystem, fault) {
	pool := place.Pool
	if pool == nil {
		if pool = vm.ResourcePool; pool == nil {
			return nil, &types.InvalidArgument{InvalidProperty: "spec.location.pool"}
		}
	}
	target, isPool := l.registry().Get(*pool).(*simulator.ResourcePool)
	if !isPool {
		return nil, &types.ManagedObjectNotFound{Obj: *pool}
	}
	hosts, reason := l.hostsFor(target, place.Host)
	if reason != nil {
		return nil, reason
	}
	stores := vm.Datastore
	if place.Datastore != nil {
		stores = present(place.Datastore)
	}
	reason = new(types.NoCompatibleHost)
	for _, host := range hosts {
		if usable(host) == nil && reachable(host, stores) == nil {
			return []*simulator.HostSystem{host}, nil
		}
		if place.Host != nil {
			if reason = usable(host); reason == nil {
				reason = reachable(host, stores)
			}
		}
	}
	return nil, reason
}

// completeClone copies notes, options and contents of disks; disks of a linked clone refer to those of the snapshot. As
// in vSphere a network card keeps its address only if that was set by hand.
func (l *lab) completeClone(ctx *simulator.Context, source, clone *machine, spec *types.VirtualMachineCloneSpec) {
	ctx.WithLock(clone, func() {
		extraConfig := slices.Clone(clone.Config.ExtraConfig)
		for _, option := range source.Config.ExtraConfig {
			if extra(clone, option.GetOptionValue().Key) == "" {
				extraConfig = append(extraConfig, option)
			}
		}
		annotation := source.Config.Annotation
		if spec.Config != nil && spec.Config.Annotation != "" {
			annotation = spec.Config.Annotation
		}
		ctx.Update(clone, []types.PropertyChange{
			{Name: "config.extraConfig", Val: extraConfig},
			{Name: "config.annotation", Val: annotation}, {Name: "summary.config.annotation", Val: annotation},
		})
	})
	for _, device := range object.VirtualDeviceList(clone.Config.Hardware.Device).SelectByType((*types.VirtualEthernetCard)(nil)) {
		card := device.(types.BaseVirtualEthernetCard).GetVirtualEthernetCard()
		if card.AddressType != string(types.VirtualEthernetCardMacTypeManual) {
			sum := sha256.Sum256(fmt.Append(nil, clone.Config.InstanceUuid, card.Key))
			card.MacAddress = fmt.Sprintf("00:50:56:%02x:%02x:%02x", 0x80|sum[0]&0x3f, sum[1], sum[2]) // a vCenter's own range
		}
	}
	disk := (*types.VirtualDisk)(nil)
	originals := object.VirtualDeviceList(source.Config.Hardware.Device).SelectByType(disk)
	copies := object.VirtualDeviceList(clone.Config.Hardware.Device).SelectByType(disk)
	linked := spec.Location.DiskMoveType == string(types.VirtualMachineRelocateDiskMoveOptionsCreateNewChildDiskBacking)
	for i := range min(len(originals), len(copies)) {
		copyContent(l.contentOf(source, originals[i]), l.contentOf(clone, copies[i]))
		parent, hasParent := originals[i].GetVirtualDevice().Backing.(*types.VirtualDiskFlatVer2BackingInfo)
		if child, flat := copies[i].GetVirtualDevice().Backing.(*types.VirtualDiskFlatVer2BackingInfo); linked && flat && hasParent {
			child.Parent = parent
		}
	}
}
