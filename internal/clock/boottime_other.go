//go:build !linux && !darwin

package clock

import "time"

// bootTime has no clock here that is known to count sleep.
func bootTime() (time.Duration, bool) { return 0, false }
