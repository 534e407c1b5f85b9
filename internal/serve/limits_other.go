//go:build !cgo || !unix

package serve

// oneHeap does nothing: without cgo there is no heap but Go's, and Windows has one for all threads.
func oneHeap() {}

// trim does nothing.
func trim() {}
