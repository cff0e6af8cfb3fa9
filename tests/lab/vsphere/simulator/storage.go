// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
	"github.com/vmware/govmomi/vmdk"
)

const (
	imagePath  = "images/guest.vmdk" // on the first datastore of each datacenter
	imageBytes = 32 << 20
	guestImage = "a disk with a guest that has VMware Tools\n" // how the image and its copies begin
)

// addImages puts the guest image on the first datastore of each datacenter.
func (l *lab) addImages() error {
	for _, entity := range l.registry().All("Datastore") {
		store := entity.(*simulator.Datastore)
		if store.Name != "LocalDS_0" {
			continue
		}
		file := filepath.Join(store.Summary.Url, imagePath)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			return err
		}
		flat := simulator.VirtualDiskBackingFileName(file)
		descriptor, err := os.Create(file)
		if err != nil {
			return err
		}
		extent := vmdk.Extent{Info: filepath.Base(flat), Size: imageBytes / vmdk.SectorSize}
		if err := vmdk.NewDescriptor(extent).Write(descriptor); err != nil {
			return err
		}
		if err := descriptor.Close(); err != nil {
			return err
		}
		if err := os.WriteFile(flat, []byte(guestImage), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// datastoreKnown refuses a path on a datastore that none of the hosts sees.
func (l *lab) datastoreKnown(name string, hosts []*simulator.HostSystem) fault {
	var at object.DatastorePath
	if !at.FromString(name) {
		return &types.InvalidDatastorePath{InvalidDatastore: types.InvalidDatastore{Name: name}, DatastorePath: name}
	}
	for _, host := range hosts {
		if at.Datastore == "" || l.datastoreIn(host.Datastore, at.Datastore) != nil {
			return nil
		}
	}
	return &types.InvalidDatastorePath{InvalidDatastore: types.InvalidDatastore{Name: at.Datastore}, DatastorePath: name}
}

func (l *lab) datastoreIn(stores []ref, name string) *simulator.Datastore {
	for _, each := range stores {
		if store, found := l.registry().Get(each).(*simulator.Datastore); found && store.Name == name {
			return store
		}
	}
	return nil
}

// fileOf finds the file of a datastore path; empty if there is no such datastore.
func (l *lab) fileOf(datacenter *simulator.Datacenter, name string) string {
	var at object.DatastorePath
	if datacenter == nil || !at.FromString(name) {
		return ""
	}
	if store := l.datastoreIn(datacenter.Datastore, at.Datastore); store != nil {
		return filepath.Join(store.Summary.Url, at.Path)
	}
	return ""
}

// contentOf finds the file with the contents of a disk; empty if it has none.
func (l *lab) contentOf(vm *machine, disk types.BaseVirtualDevice) string {
	backing, isFile := disk.GetVirtualDevice().Backing.(types.BaseVirtualDeviceFileBackingInfo)
	if !isFile {
		return ""
	}
	return simulator.VirtualDiskBackingFileName(l.fileOf(l.datacenterOf(vm), backing.GetVirtualDeviceFileBackingInfo().FileName))
}

func copyContent(from, to string) {
	if content, err := os.ReadFile(from); err == nil && to != "" {
		os.WriteFile(to, content, 0o600)
	}
}

// capacityOf reads how large a disk is, in bytes; 0 if there is none.
func (l *lab) capacityOf(datacenter *simulator.Datacenter, name string) int64 {
	return capacityIn(l.fileOf(datacenter, name))
}

func capacityIn(file string) int64 {
	descriptor, err := os.Open(file)
	if err != nil {
		return 0
	}
	defer descriptor.Close()
	if read, err := vmdk.ParseDescriptor(descriptor); err == nil {
		return read.Capacity()
	}
	return 0
}

// planCopy lets a copy of a disk be cancelled, and its task belong to something that clients know.
func (l *lab) planCopy(j *job) fault {
	j.cancelable = true
	return nil
}

// planSearch fills in how large disks are, where that was asked for.
func (l *lab) planSearch(j *job) fault {
	spec := searchSpec(j.method.Body)
	if *spec == nil {
		*spec = new(types.HostDatastoreBrowserSearchSpec)
	}
	if len((*spec).MatchPattern) == 0 {
		(*spec).MatchPattern = []string{"*"}
	}
	search := simulated(j.method)
	j.work = func(ctx *simulator.Context) (types.AnyType, fault) {
		found, reason := search(ctx)
		switch found := found.(type) {
		case types.HostDatastoreBrowserSearchResults:
			l.completeFiles(j.method.Body, &found)
			return found, reason
		case types.ArrayOfHostDatastoreBrowserSearchResults:
			for i := range found.HostDatastoreBrowserSearchResults {
				l.completeFiles(j.method.Body, &found.HostDatastoreBrowserSearchResults[i])
			}
			return found, reason
		}
		return found, reason
	}
	return nil
}

// searchSpec is where the specification of a search is; it may be missing.
func searchSpec(request any) **types.HostDatastoreBrowserSearchSpec {
	if all, below := request.(*types.SearchDatastoreSubFolders_Task); below {
		return &all.SearchSpec
	}
	return &request.(*types.SearchDatastore_Task).SearchSpec
}

func (l *lab) completeFiles(request any, results *types.HostDatastoreBrowserSearchResults) {
	asked := slices.ContainsFunc((*searchSpec(request)).Query, func(query types.BaseFileQuery) bool {
		disks, isDisks := query.(*types.VmDiskFileQuery)
		return isDisks && disks.Details != nil && disks.Details.CapacityKb
	})
	var at object.DatastorePath
	store := l.registry().Get(*results.Datastore).(*simulator.Datastore)
	if !asked || !at.FromString(results.FolderPath) {
		return
	}
	for i, each := range results.File {
		name := each.GetFileInfo().Path
		if path.Ext(name) != ".vmdk" || strings.HasSuffix(name, "-flat.vmdk") {
			continue
		}
		if capacity := capacityIn(filepath.Join(store.Summary.Url, at.Path, name)); capacity > 0 {
			results.File[i] = &types.VmDiskFileInfo{FileInfo: *each.GetFileInfo(), CapacityKb: capacity / 1024}
		}
	}
}
