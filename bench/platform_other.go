//go:build !linux

package main

import (
	"errors"
	"os"
	"syscall"
	"time"
)

// Elsewhere the bench compiles and measures wall and processor time only.

func accountOf(string) *account               { return nil }
func childAttr(*account) *syscall.SysProcAttr { return nil }
func killGroup(pid int) error                 { return errors.ErrUnsupported }
func peakOf(*os.ProcessState) int64           { return 0 }
func lowerPeak()                              {}
func ownCPU() time.Duration                   { return 0 }
func anonOf(int) int64                        { return 0 }
func becomeReaper()                           {}
func reapOrphans() usage                      { return usage{} }
func syncFS(string) error                     { return nil }
func freeSpace(string) (int64, error)         { return 0, errors.ErrUnsupported }
func fsName(string) string                    { return "unknown" }
func processorName() string                   { return "unknown" }
func memoryTotal() int64                      { return 0 }
func loadNow() float64                        { return 0 }
