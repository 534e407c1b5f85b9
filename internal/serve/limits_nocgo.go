//go:build !cgo

package serve

// oneHeap does nothing: without cgo there is no heap but Go's.
func oneHeap() {}

// trim does nothing.
func trim() {}
