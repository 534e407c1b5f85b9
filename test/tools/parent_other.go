//go:build !linux

package tools

func toParent(string) bool { return false }
