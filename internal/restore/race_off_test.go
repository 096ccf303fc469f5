//go:build !race

package restore_test

// raced tells that the race detector watches, which costs time and memory.
const raced = false
