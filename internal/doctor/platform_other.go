//go:build !linux

package doctor

import "runtime"

func (e *examination) space(string, string) {}

func (e *examination) platform() {
	e.add("platform", Untested, "use Linux for anything that matters", "this version was never run on %s", runtime.GOOS)
}
