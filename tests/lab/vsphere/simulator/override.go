// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
)

type answerer func(l *lab, ctx *simulator.Context, target mo.Reference, method *simulator.Method) soap.HasFault

// overrides are the calls that the lab answers, by type and method; the others are the simulator's.
var overrides = map[string]answerer{
	"PropertyCollector.Fetch":           (*lab).fetch,
	"SessionManager.AcquireCloneTicket": (*lab).acquireCloneTicket,
}

func (l *lab) override(ctx *simulator.Context, target mo.Reference, method *simulator.Method) (soap.HasFault, bool) {
	if answer, known := overrides[method.This.Type+"."+method.Name]; known {
		return answer(l, ctx, target, method), true
	}
	return nil, false
}
