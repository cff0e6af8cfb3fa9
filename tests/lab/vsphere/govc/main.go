// SPDX-License-Identifier: GPL-3.0-or-later

// Govc is VMware's own command line, of the release that the simulator is made of: a witness that is not our code.
package main

import (
	"os"

	"github.com/vmware/govmomi/cli"
)

func main() {
	os.Exit(cli.Run(os.Args[1:]))
}
