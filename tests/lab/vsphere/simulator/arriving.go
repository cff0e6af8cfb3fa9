// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"bytes"
	"net/url"
	"os"
	"strings"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// make makes the VM at the other vCenter, with what its disks hold.
func (e *emigration) make(l *lab) (*object.VirtualMachine, error) {
	pool, host := object.NewResourcePool(e.client, e.pool), object.NewHostSystem(e.client, *e.spec.Host)
	task, err := e.folder.CreateVM(e.ctx, *e.describe(), pool, host)
	if err != nil {
		return nil, err
	}
	info, err := task.WaitForResult(e.ctx)
	if err != nil {
		return nil, err
	}
	made := object.NewVirtualMachine(e.client, info.Result.(ref))
	return made, e.fill(l, made)
}

// finish brings it into the state that the VM had.
func (e *emigration) finish(made *object.VirtualMachine, running bool) error {
	if e.vm.Config.Template {
		return made.MarkAsTemplate(e.ctx)
	}
	if !running {
		return nil
	}
	task, err := made.PowerOn(e.ctx)
	if err != nil {
		return err
	}
	return task.Wait(e.ctx)
}

// takeBack removes it again, if it was made.
func (e *emigration) takeBack(made *object.VirtualMachine) {
	if made == nil {
		return
	}
	if task, err := made.Destroy(e.ctx); err == nil {
		task.Wait(e.ctx)
	}
}

func faultOf(err error) fault {
	if reason, isFault := err.(interface{ Fault() fault }); isFault { // of a task
		return reason.Fault()
	}
	if soap.IsSoapFault(err) {
		if reason, isFault := soap.ToSoapFault(err).VimFault().(fault); isFault {
			return reason
		}
	}
	return &types.SystemError{Reason: err.Error()}
}

// describe is the whole VM but its snapshots.
func (e *emigration) describe() *types.VirtualMachineConfigSpec {
	config := e.vm.Config
	spec := &types.VirtualMachineConfigSpec{
		Name: e.vm.Name, Uuid: config.Uuid, InstanceUuid: config.InstanceUuid, GuestId: config.GuestId, Version: config.Version,
		NumCPUs: config.Hardware.NumCPU, MemoryMB: int64(config.Hardware.MemoryMB), Annotation: config.Annotation,
		Firmware: config.Firmware, MigrateEncryption: config.MigrateEncryption, ExtraConfig: config.ExtraConfig,
		Files: &types.VirtualMachineFileInfo{VmPathName: "[" + e.stores[0].Name + "]"},
	}
	number := 0
	for _, device := range config.Hardware.Device {
		change := &types.VirtualDeviceConfigSpec{Operation: types.VirtualDeviceConfigSpecOperationAdd, Device: device}
		switch device := device.(type) {
		case *types.VirtualDisk:
			number++
			disk, backing := *device, *device.Backing.(*types.VirtualDiskFlatVer2BackingInfo)
			store := e.stores[number].Self
			backing.FileName, backing.Datastore, backing.Parent = "["+e.stores[number].Name+"]", &store, nil
			disk.Backing = &backing
			change.Device, change.FileOperation = &disk, types.VirtualDeviceConfigSpecFileOperationCreate
		case types.BaseVirtualEthernetCard:
			change.Device = e.plug(device.(types.BaseVirtualDevice)).(types.BaseVirtualDevice)
		case types.BaseVirtualSCSIController:
		default:
			continue // every VM has it
		}
		spec.DeviceChange = append(spec.DeviceChange, change)
	}
	return spec
}

// fill sends what the disks hold.
func (e *emigration) fill(l *lab, made *object.VirtualMachine) error {
	devices, err := made.Device(e.ctx)
	if err != nil {
		return err
	}
	center, err := e.into.ObjectName(e.ctx)
	if err != nil {
		return err
	}
	for number, disk := range devices.SelectByType((*types.VirtualDisk)(nil)) {
		content, err := os.ReadFile(l.contentOf(e.vm, e.disks()[number]))
		if err != nil {
			continue // nothing was ever written
		}
		var at object.DatastorePath
		at.FromString(disk.GetVirtualDevice().Backing.(*types.VirtualDiskFlatVer2BackingInfo).FileName)
		where := e.client.URL()
		where.Path = "/folder/" + strings.TrimSuffix(at.Path, ".vmdk") + "-flat.vmdk"
		where.RawQuery = url.Values{"dcPath": {center}, "dsName": {at.Datastore}}.Encode()
		upload := soap.DefaultUpload
		upload.ContentLength = int64(len(content))
		if err := e.client.Upload(e.ctx, bytes.NewReader(content), where, &upload); err != nil {
			return err
		}
	}
	return nil
}
