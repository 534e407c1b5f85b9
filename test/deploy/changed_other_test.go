//go:build !linux

package deploy

import "io/fs"

// changed is when a file was changed.
func changed(info fs.FileInfo) any { return info.ModTime() }
