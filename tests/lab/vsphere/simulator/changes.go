// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// happening is what a test lets happen to a VM or a host, beside the API. What is left out stays as it is.
type happening struct {
	Name          string    `json:"name"` // or managed object id
	Guest         *string   `json:"guest"`
	Addresses     *[]string `json:"addresses"` // of the first network card
	Question      *string   `json:"question"`  // empty takes it back
	Consolidation *bool     `json:"consolidation"`
	Connected     *bool     `json:"connected"`
	Maintenance   *bool     `json:"maintenance"`
}

// changeMachine lets something happen to one VM.
func (l *lab) changeMachine(body []byte) error {
	change, entity, err := l.happens(body, "VirtualMachine")
	if err != nil {
		return err
	}
	vm, ctx := entity.(*machine), *l.service.Context
	if change.Guest != nil {
		l.setGuest(&ctx, vm, *change.Guest)
	}
	if change.Question != nil {
		var question *types.VirtualMachineQuestionInfo
		if *change.Question != "" {
			question = newQuestion(*change.Question)
		}
		l.setQuestion(&ctx, vm, question)
	}
	var changes []types.PropertyChange
	if change.Addresses != nil {
		changes = append(changes, addressed(vm, *change.Addresses)...)
	}
	if change.Consolidation != nil {
		changes = append(changes, types.PropertyChange{Name: "runtime.consolidationNeeded", Val: *change.Consolidation})
	}
	if change.Connected != nil {
		changes = append(changes, connection(*change.Connected)...)
	}
	ctx.WithLock(vm, func() { ctx.Update(vm, changes) })
	return nil
}

// changeHost lets something happen to one host; its VMs share its connection.
func (l *lab) changeHost(body []byte) error {
	change, entity, err := l.happens(body, "HostSystem")
	if err != nil {
		return err
	}
	host, ctx := entity.(*simulator.HostSystem), *l.service.Context
	var changes []types.PropertyChange
	if change.Maintenance != nil {
		changes = append(changes, maintenance(*change.Maintenance)...)
	}
	if change.Connected != nil {
		changes = append(changes, connection(*change.Connected)...)
		for _, each := range host.Vm {
			if vm := l.machine(each); vm != nil {
				ctx.WithLock(vm, func() { ctx.Update(vm, connection(*change.Connected)) })
			}
		}
	}
	ctx.WithLock(host, func() { ctx.Update(host, changes) })
	return nil
}

func (l *lab) happens(body []byte, kind string) (*happening, mo.Entity, error) {
	change := new(happening)
	if err := json.Unmarshal(body, change); err != nil {
		return nil, nil, err
	}
	for _, entity := range l.registry().All(kind) {
		if entity.Entity().Name == change.Name || entity.Reference().Value == change.Name {
			return change, entity, nil
		}
	}
	return nil, nil, fmt.Errorf("there is no %s %s", kind, change.Name)
}

// connection works for VMs and hosts alike, whose words are the same.
func connection(connected bool) []types.PropertyChange {
	state := types.VirtualMachineConnectionStateConnected
	if !connected {
		state = types.VirtualMachineConnectionStateDisconnected
	}
	return []types.PropertyChange{
		{Name: "runtime.connectionState", Val: string(state)}, {Name: "summary.runtime.connectionState", Val: string(state)},
	}
}

// setGuest installs something else, and starts it at once in a VM that runs.
func (l *lab) setGuest(ctx *simulator.Context, vm *machine, guest string) {
	ctx.WithLock(vm, func() {
		options := []types.BaseOptionValue{&types.OptionValue{Key: guestKey, Value: guest}}
		for _, option := range vm.Config.ExtraConfig {
			if option.GetOptionValue().Key != guestKey {
				options = append(options, option)
			}
		}
		ctx.Update(vm, []types.PropertyChange{
			{Name: "config.extraConfig", Val: options}, {Name: "runtime.powerState", Val: vm.Runtime.PowerState},
		})
	})
}

// addressed gives addresses to the first network card.
func addressed(vm *machine, addresses []string) []types.PropertyChange {
	cards := object.VirtualDeviceList(vm.Config.Hardware.Device).SelectByType((*types.VirtualEthernetCard)(nil))
	var nics []types.GuestNicInfo
	if len(cards) > 0 {
		nics = []types.GuestNicInfo{nicWith(cards[0].(types.BaseVirtualEthernetCard).GetVirtualEthernetCard(), addresses)}
	}
	name := vm.Guest.HostName
	if name == "" {
		name = strings.ToLower(vm.Name)
	}
	return guestWith(name, nics)
}
