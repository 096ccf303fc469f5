package diskblob

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

var _ blob.Prober = (*Driver)(nil)

// Provoke implements [blob.Prober]: it asks the operating system, with all
// rights of this process, for what the flag forbids. Without the flag nothing but
// this package refuses: Unsupported.
func (d *Driver) Provoke(ctx context.Context, name string) ([]blob.Attempt, error) {
	if err := ready(ctx, name, blob.Lock{}); err != nil {
		return nil, err
	}
	if !d.flags {
		return nil, errkind.New(errkind.Unsupported, "nothing but this process keeps locks here")
	}
	release, err := d.exclude(name)
	if err != nil {
		return nil, err
	}
	defer release()
	if _, err := d.object(name); err != nil {
		return nil, err
	}
	record := recordName(name)
	away := path.Join(path.Dir(name), tempPrefix+rand.Text())
	return []blob.Attempt{
		{Name: "overwrite the file", Err: d.answer(name, d.overwrite(name))},
		{Name: "link the file", Err: d.answer(name, d.root.Link(name, away))},
		{Name: "rename the file", Err: d.answer(name, d.root.Rename(name, away))},
		{Name: "remove the file", Err: d.answer(name, d.root.Remove(name))},
		{Name: "overwrite the lock record", Err: d.answer(record, d.overwrite(record))},
		{Name: "remove the lock record", Err: d.answer(record, d.root.Remove(record))},
	}, nil
}

// overwrite opens a file as whoever overwrites it does.
func (d *Driver) overwrite(file string) error {
	f, err := d.root.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return f.Close()
}

// answer gives the system's answer its kind: a refusal is one by the lock only
// where the file bears the flag.
func (d *Driver) answer(file string, err error) error {
	if !errors.Is(err, fs.ErrPermission) {
		return writeFailure("attack", err)
	}
	if flagged, failed := d.flagged(file); failed != nil || !flagged {
		return errkind.Wrap(errkind.NotAllowed, bare(err), "refused, but not for the flag")
	}
	return errkind.Wrap(errkind.Refused, bare(err), "the file bears the immutable flag")
}
