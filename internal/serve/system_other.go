//go:build !unix

package serve

import "os"

// endSignals are those that end a process that stays.
func endSignals() []os.Signal { return []os.Signal{os.Interrupt} }

// IsListening is false: no web server hands over sockets here.
func IsListening(*os.File) bool { return false }
