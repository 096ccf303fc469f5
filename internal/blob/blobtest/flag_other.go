//go:build !linux

package blobtest

// ForgoFlag does nothing: files here have no immutable flag that a store sets.
func ForgoFlag() error { return nil }
