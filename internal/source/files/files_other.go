//go:build !linux

package files

import (
	"context"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/source"
	"github.com/counterfoil/counterfoil/internal/vault"
)

var errLinuxOnly = errkind.New(errkind.Unsupported, "files can be backed up and restored on Linux only")

// Walk implements [source.Reader].
func (r *Reader) Walk(context.Context, source.Visitor) error { return errLinuxOnly }

// Target is a directory that a point is restored into.
type Target struct{}

// NewTarget opens dir as a target.
func NewTarget(string, TargetOptions) (*Target, error) { return nil, errLinuxOnly }

// MkDir makes a directory.
func (t *Target) MkDir(string, vault.Entry) error { return errLinuxOnly }

// Prepare decides about a regular file.
func (t *Target) Prepare(string, vault.Entry) (Action, error) { return 0, errLinuxOnly }

// WriteAt writes a piece of a file.
func (t *Target) WriteAt(string, []byte, int64) error { return errLinuxOnly }

// Finish gives a file its length, metadata and name.
func (t *Target) Finish(string, vault.Entry) error { return errLinuxOnly }

// Abandon removes a file that cannot be finished.
func (t *Target) Abandon(string) error { return errLinuxOnly }

// MakeSpecial makes what is neither file nor directory.
func (t *Target) MakeSpecial(string, vault.Entry) error { return errLinuxOnly }

// Link gives an object a further name.
func (t *Target) Link(string, string) error { return errLinuxOnly }

// FinishDirs gives all directories their metadata.
func (t *Target) FinishDirs() error { return errLinuxOnly }

// Sync makes everything durable.
func (t *Target) Sync() error { return errLinuxOnly }

// Problems lists what could not be restored as it was.
func (t *Target) Problems() []source.Problem { return nil }

// Close closes what is open.
func (t *Target) Close() error { return nil }
