// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

const guestKey = "lab.guest"

func (l *lab) UpdateObject(*simulator.Context, mo.Reference, []types.PropertyChange) {}
func (l *lab) changeMachine([]byte) error                                            { return nil }
func (l *lab) changeHost([]byte) error                                               { return nil }
