// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// PutObject completes a new VM: pyvmomi cannot read an enumeration without a value.
func (l *lab) PutObject(_ *simulator.Context, object mo.Reference) {
	if vm, isMachine := object.(*machine); isMachine {
		for _, runtime := range []*types.VirtualMachineRuntimeInfo{&vm.Runtime, &vm.Summary.Runtime} {
			runtime.FaultToleranceState = types.VirtualMachineFaultToleranceStateNotConfigured
			runtime.RecordReplayState = types.VirtualMachineRecordReplayStateInactive
		}
	}
}

func (l *lab) RemoveObject(*simulator.Context, ref) {}

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
