// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"encoding/json"
	"io"
	"net/http"
)

// controlPort is the side door of tests. It listens on loopback and asks nobody who he is.
func (l *lab) controlPort() http.Handler {
	mux := http.NewServeMux()
	read := func(path string, what func() any) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) { reply(w, what()) })
	}
	order := func(path string, do func(body []byte) error) {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err == nil {
				err = do(body)
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			reply(w, true)
		})
	}
	read("/calls", func() any { return l.calls.read() })
	read("/sessions", func() any { return l.openSessions() })
	read("/hits", func() any { return l.rules.hits() })
	order("/reset", func([]byte) error { l.calls.reset(); return nil })
	order("/faults", l.rules.replace)
	order("/delays", l.delays.replace)
	order("/vm", l.changeMachine)
	order("/host", l.changeHost)
	mux.HandleFunc("DELETE /sessions", func(w http.ResponseWriter, _ *http.Request) { reply(w, l.endSessions()) })
	return mux
}

func reply(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(value)
}

func (d *delays) replace(body []byte) error {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.set.Call, d.set.Task, d.set.Method = 0, 0, nil
	return json.Unmarshal(body, &d.set)
}
