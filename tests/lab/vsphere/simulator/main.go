// SPDX-License-Identifier: GPL-3.0-or-later

// Simulator is a vCenter, or an ESX host without one, in memory and on loopback: govmomi's simulator, completed and
// corrected where the vSphere Web Services documentation says otherwise, with a control port for tests.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/vmware/govmomi/simulator"
	_ "github.com/vmware/govmomi/vapi/simulator" // REST: sessions and tags
)

type options struct {
	listen, control string
	pki, proof      string
	user, password  string
	viewer          string
	idle            time.Duration
	attached        bool
	inventory       inventory
}

func parseOptions() *options {
	o := new(options)
	flag.StringVar(&o.listen, "listen", "127.0.0.1:0", "address of the API")
	flag.StringVar(&o.control, "control", "127.0.0.1:0", "address of the control port")
	flag.StringVar(&o.pki, "pki", "", "folder of the certificate authority, which is made if it is not there")
	flag.StringVar(&o.proof, "certificate", "valid", "valid, expired, foreign (of another authority) or elsewhere (another name)")
	flag.StringVar(&o.user, "user", "administrator@vsphere.local", "who may do everything")
	flag.StringVar(&o.password, "password", "lab", "password of all users")
	flag.StringVar(&o.viewer, "viewer", "viewer@vsphere.local", "who may only read")
	flag.DurationVar(&o.idle, "idle", 0, "how long a session lasts without calls; 0 is half an hour")
	flag.BoolVar(&o.attached, "attached", false, "end with standard input")
	o.inventory.flags()
	flag.Parse()
	return o
}

func main() {
	log.SetFlags(log.Ltime | log.Lmicroseconds)
	o := parseOptions()
	began := time.Now()
	for _, address := range []string{o.listen, o.control} {
		if err := loopbackOnly(address); err != nil {
			log.Fatal(err)
		}
	}
	home, err := os.MkdirTemp("", "crossvirt-simulator-")
	if err != nil {
		log.Fatal(err)
	}
	os.Setenv("TMPDIR", home) // datastores are folders
	status := 0
	if err := run(o, began); err != nil {
		log.Print(err)
		status = 1
	}
	os.RemoveAll(home)
	os.Exit(status)
}

// run serves until the process is told to end.
func run(o *options, began time.Time) error {
	model, err := o.inventory.create()
	if err != nil {
		return err
	}
	server, control, lab, err := serve(o, model.Service)
	if err != nil {
		return err
	}
	port, err := strconv.Atoi(server.Port())
	if err != nil {
		return err
	}
	json.NewEncoder(os.Stdout).Encode(map[string]any{
		"address": server.Hostname(), "port": port, "control": control, "seconds": time.Since(began).Seconds(),
		"hosts": len(lab.registry().All("HostSystem")), "vms": len(lab.registry().All("VirtualMachine")),
	})
	waitForEnd(o.attached)
	return nil
}

// serve adds VMs and opens both ports.
func serve(o *options, service *simulator.Service) (*url.URL, string, *lab, error) {
	lab := newLab(service)
	if err := lab.addImages(); err != nil {
		return nil, "", nil, err
	}
	if err := o.inventory.populate(lab); err != nil {
		return nil, "", nil, err
	}
	certificate, err := certificateFor(o.pki, o.proof, o.listen)
	if err != nil {
		return nil, "", nil, err
	}
	service.TLS = certificate
	service.RegisterEndpoints = !o.inventory.esx
	service.Listen = &url.URL{Host: o.listen, User: url.UserPassword(o.user, o.password)}
	lab.allow(o)
	server := service.NewServer()
	server.Config.Handler = lab.guard(server.Config.Handler) // nobody knows the address yet
	listener, err := net.Listen("tcp", o.control)
	if err != nil {
		return nil, "", nil, err
	}
	go http.Serve(listener, lab.controlPort())
	return server.URL, listener.Addr().String(), lab, nil
}

func loopbackOnly(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("%s is not a loopback address: the simulator is for this machine alone", address)
	}
	return nil
}

// waitForEnd returns when the process is told to end; an attached one also when whoever started it is gone.
func waitForEnd(attached bool) {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	if attached {
		go func() {
			io.Copy(io.Discard, os.Stdin)
			stop <- syscall.SIGTERM
		}()
	}
	<-stop
}
