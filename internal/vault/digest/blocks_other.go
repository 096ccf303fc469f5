//go:build !amd64

package digest

func blocks2(_, _ *state, _, _ *byte, _ int) { panic("digest: no instructions for two streams") }

func hasInstructions() bool { return false }
