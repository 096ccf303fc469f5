package digest

import "github.com/klauspost/cpuid/v2"

// blocks2 hashes n blocks at p into a and n blocks at q into b.
//
//go:noescape
func blocks2(a, b *state, p, q *byte, n int)

func hasInstructions() bool {
	return cpuid.CPU.Supports(cpuid.SHA, cpuid.SSSE3, cpuid.SSE4)
}
