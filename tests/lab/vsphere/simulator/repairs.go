// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"cmp"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// PutObject completes a new VM: pyvmomi cannot read an enumeration without a value, and the simulator panics at a VM
// without a name when it looks for another.
func (l *lab) PutObject(_ *simulator.Context, object mo.Reference) {
	if vm, isMachine := object.(*machine); isMachine {
		vm.Name = cmp.Or(vm.Name, l.making.name, vm.Self.Value)
		for _, runtime := range []*types.VirtualMachineRuntimeInfo{&vm.Runtime, &vm.Summary.Runtime} {
			runtime.FaultToleranceState = types.VirtualMachineFaultToleranceStateNotConfigured
			runtime.RecordReplayState = types.VirtualMachineRecordReplayStateInactive
		}
	}
}

func (l *lab) RemoveObject(*simulator.Context, ref) {}

// retrieve fails as a whole where a property does not exist, as vSphere does; the simulator notes it at each object.
func (l *lab) retrieve(ctx *simulator.Context, target mo.Reference, method *simulator.Method) soap.HasFault {
	answer := pass(ctx, target, method)
	if body := answer.(*methods.RetrievePropertiesExBody); body.Res != nil && body.Res.Returnval != nil {
		for _, object := range body.Res.Returnval.Objects {
			for _, missing := range object.MissingSet {
				if reason, wrong := missing.Fault.Fault.(*types.InvalidProperty); wrong {
					return refuse(reason)
				}
			}
		}
	}
	return answer
}

type FetchResponse struct {
	Returnval types.AnyType `xml:"returnval,omitempty,typeattr"`
}

type fetchBody struct{ Res *FetchResponse }

func (*fetchBody) Fault() *soap.Fault { return nil }

// fetch answers what pyvmomi asks for each attribute. For one that is unset the simulator sends the answer of another
// method, which pyvmomi refuses; vSphere sends an empty one.
func (l *lab) fetch(ctx *simulator.Context, target mo.Reference, method *simulator.Method) soap.HasFault {
	answer := pass(ctx, target, method)
	if body, unset := answer.(*methods.RetrievePropertiesExBody); unset && body.Fault_ == nil {
		return &fetchBody{new(FetchResponse)}
	}
	return answer
}
