//go:build !linux

package diskblob

import (
	"io/fs"
	"os"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

func (*Driver) flagRefusal() string { return "this system has no immutable flag that it can set" }

func immutable(*os.File) (bool, error) { return false, nil }

func setImmutable(*os.File) error {
	return errkind.New(errkind.Unsupported, "this system has no immutable flag")
}

func clearImmutable(*os.File) error { return nil }

func links(fs.FileInfo) uint64 { return 1 }
