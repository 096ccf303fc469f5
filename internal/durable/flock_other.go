//go:build !unix

package durable

import (
	"os"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// flock refuses: running without the lock would let two writers meet.
func flock(*os.File) error {
	return errkind.New(errkind.Unsupported, "file locks are not available on this system")
}
