//go:build !linux

package tools

import "testing"

// Mount skips the test: file systems are only made on Linux.
func Mount(t *testing.T, folder, size string) { Missing(t, "tmpfs", "run the tests on Linux") }

// Remount is never reached.
func Remount(t *testing.T, folder string, readOnly bool) {}
