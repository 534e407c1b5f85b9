//go:build !unix

package instance

import "os"

// raise ends the process: it cannot send itself a signal here.
func raise(os.Signal) { os.Exit(1) }

// openFilesLimit is not known here.
func openFilesLimit() (uint64, bool) { return 0, false }
