//go:build unix

package main

import (
	"time"

	"golang.org/x/sys/unix"
)

// setLinkTime sets the time of a symbolic link itself.
func setLinkTime(path string, at time.Time) error {
	ts, err := unix.TimeToTimespec(at)
	if err != nil {
		return err
	}
	return unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW)
}
