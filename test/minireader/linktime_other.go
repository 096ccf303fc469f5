//go:build !unix

package main

import "time"

// setLinkTime does nothing where links have no time that can be set.
func setLinkTime(string, time.Time) error { return nil }
