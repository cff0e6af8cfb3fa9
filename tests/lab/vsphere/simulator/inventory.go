// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/mo"
)

// inventory is how much there is of everything.
type inventory struct {
	esx        bool
	name, seed string
	model      struct{ datacenters, clusters, hosts, standalone, pools, folders, datastores int }
	local      bool
	vms        int
	on         bool
	guest      string
}

func (i *inventory) flags() {
	flag.BoolVar(&i.esx, "esx", false, "an ESX host without a vCenter")
	flag.StringVar(&i.name, "name", "vcenter", "what it is called; decides the uuid of the vCenter or ESX host itself")
	flag.StringVar(&i.seed, "seed", "", "makes uuids of VMs differ from those of other simulators of the same layout")
	flag.IntVar(&i.model.datacenters, "datacenters", 1, "datacenters")
	flag.IntVar(&i.model.clusters, "clusters", 1, "clusters per datacenter")
	flag.IntVar(&i.model.hosts, "hosts", 2, "hosts per cluster")
	flag.IntVar(&i.model.standalone, "standalone-hosts", 1, "hosts without a cluster per datacenter")
	flag.IntVar(&i.model.pools, "pools", 0, "resource pools per cluster, below its root")
	flag.IntVar(&i.model.folders, "folders", 0, "datacenters whose contents are in folders")
	flag.IntVar(&i.model.datastores, "datastores", 1, "datastores per datacenter that all of its hosts share")
	flag.BoolVar(&i.local, "local-datastores", false, "also a datastore for each host alone")
	flag.IntVar(&i.vms, "vms", 2, "VMs per standalone host, and per cluster (or pool of one)")
	flag.BoolVar(&i.on, "on", false, "VMs run")
	flag.StringVar(&i.guest, "guest", "", "guest of the VMs: tools or deaf")
}

// create makes everything but VMs.
func (i *inventory) create() (*simulator.Model, error) {
	model := simulator.VPX()
	if i.esx {
		model = simulator.ESX()
	} else {
		model.Datacenter, model.Cluster, model.ClusterHost = i.model.datacenters, i.model.clusters, i.model.hosts
		model.Host, model.Pool, model.Folder = i.model.standalone, i.model.pools, i.model.folders
	}
	model.Machine, model.Datastore = 0, i.model.datastores
	about := &model.ServiceContent.About
	about.Version, about.ApiVersion, about.Build = "8.0.3", "8.0.3.0", "24022510"
	about.FullName = fmt.Sprintf("%s %s build-%s", about.Name, about.Version, about.Build)
	if err := model.Create(); err != nil {
		return model, err
	}
	if i.esx {
		host := model.Service.Context.Map.Any("HostSystem").(*simulator.HostSystem)
		host.Hardware.SystemInfo.Uuid = uuidOf(i.name)
		host.Summary.Hardware.Uuid = host.Hardware.SystemInfo.Uuid
	} else {
		content := &model.Service.Context.Map.Get(vim25.ServiceInstance).(*simulator.ServiceInstance).Content
		content.About.InstanceUuid = uuidOf(i.name)
	}
	if i.local {
		return model, i.addLocalDatastores(model)
	}
	return model, nil
}

// addLocalDatastores gives each host a datastore that no other host sees, beside those that they share.
func (i *inventory) addLocalDatastores(model *simulator.Model) error {
	client, err := vim25.NewClient(context.Background(), model.Service)
	if err != nil {
		return err
	}
	for _, entity := range model.Service.Context.Map.All("HostSystem") {
		host := entity.Entity()
		folder := filepath.Join(os.TempDir(), "local-"+host.Name)
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return err
		}
		system, err := object.NewHostSystem(client, host.Self).ConfigManager().DatastoreSystem(context.Background())
		if err != nil {
			return err
		}
		if _, err := system.CreateLocalDatastore(context.Background(), host.Name+"_local", folder); err != nil {
			return err
		}
	}
	return nil
}

// uuidOf makes the same uuid of the same words, in the form of version 5.
func uuidOf(words ...string) string {
	sum := sha256.Sum256([]byte(fmt.Sprint(words)))
	sum[6], sum[8] = sum[6]&0x0f|0x50, sum[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

// datacenterOf finds where an object of the inventory is.
func (l *lab) datacenterOf(object mo.Entity) *simulator.Datacenter {
	for {
		if datacenter, found := object.(*simulator.Datacenter); found {
			return datacenter
		}
		parent := object.Entity().Parent
		if parent == nil {
			return nil
		}
		object = l.registry().Get(*parent).(mo.Entity)
	}
}
