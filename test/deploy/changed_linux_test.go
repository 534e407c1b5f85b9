package deploy

import (
	"io/fs"
	"syscall"
)

// changed is when a file, its mode or its owner was changed.
func changed(info fs.FileInfo) any { return info.Sys().(*syscall.Stat_t).Ctim }
