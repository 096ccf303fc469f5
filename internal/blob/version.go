package blob

import (
	"context"
	"fmt"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// relists is how often the versions of a name are listed that go while they are
// read.
const relists = 3

// ReadVersions gives fn the bytes of each version of an object that is not a
// marker, until fn says that they are the right ones: the current version first,
// then from the oldest to the newest. So whoever can tell an object by its bytes
// finds it under versions that somebody else has put there, whatever dates those
// have. A version larger than limit is passed over, and so is one that cannot be
// read. Where versions go meanwhile fn may be given the same bytes again. A store
// that keeps no versions has the one there is.
//
// Kinds: NotFound where no version will do; the kind of what went wrong where
// none will do and one could not be read; Unavailable, Invalid.
func (b *Bucket) ReadVersions(ctx context.Context, name string, limit int64, fn func(data []byte) (ok bool)) error {
	if err := CheckName(name); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	store, ok := b.driver.(Versioned)
	if !ok || !b.driver.Caps().Versions {
		return at("read", name, b.readOnly(ctx, name, limit, fn))
	}
	for range relists {
		changed, err := b.readEach(ctx, store, name, limit, fn)
		if !changed {
			return at("read", name, err)
		}
	}
	return at("read", name, errkind.New(errkind.Unavailable, "its versions kept changing while they were read"))
}

// readOnly is ReadVersions where a name has one state.
func (b *Bucket) readOnly(ctx context.Context, name string, limit int64, fn func([]byte) bool) error {
	var info Info
	var data []byte
	err := b.opts.retry(ctx, func() error {
		var err error
		info, err = b.driver.Stat(ctx, name)
		if err != nil || info.Size > limit {
			return err
		}
		data, err = b.readWhole(ctx, name, info.Size)
		return err
	})
	if err != nil {
		return err
	}
	if info.Size <= limit && fn(data) {
		return nil
	}
	return errkind.New(errkind.NotFound, "the object is not the one that was looked for")
}

// readEach lists the versions once and reads them in turn. changed tells that
// none will do and that one of them went.
func (b *Bucket) readEach(ctx context.Context, store Versioned, name string, limit int64, fn func([]byte) bool) (changed bool, err error) {
	var list []Version
	err = b.opts.retry(ctx, func() error {
		var err error
		list, err = store.ListVersions(ctx, name)
		return err
	})
	if err != nil {
		return false, err
	}
	var unread error
	turn := inTurn(list)
	for _, v := range turn {
		if v.Size > limit {
			continue
		}
		data, err := b.readVersion(ctx, store, name, v)
		if ended := ctx.Err(); ended != nil {
			return false, ended
		}
		switch {
		case errkind.Is(err, errkind.NotFound):
			changed = true
		case err != nil:
			unread = err
		case fn(data):
			return false, nil
		}
	}
	if unread != nil {
		return changed, fmt.Errorf("none of %d versions that can be read is the one that was looked for, and another cannot be read: %w", len(turn), unread)
	}
	return changed, errkind.New(errkind.NotFound, "none of %d versions is the one that was looked for", len(turn))
}

func (b *Bucket) readVersion(ctx context.Context, store Versioned, name string, v Version) ([]byte, error) {
	var data []byte
	err := b.opts.retry(ctx, func() error {
		var err error
		data, err = whole(v.Size, func(p []byte) (int, error) { return store.ReadVersionAt(ctx, name, v.ID, p, 0) })
		return err
	})
	return data, err
}

// inTurn gives the versions of a list, newest first, that are no markers: the
// current one, then from the oldest to the newest.
func inTurn(list []Version) []Version {
	var turn []Version
	for _, v := range list {
		if v.Current && !v.Marker {
			turn = append(turn, v)
		}
	}
	for i := len(list) - 1; i >= 0; i-- {
		if v := list[i]; !v.Current && !v.Marker {
			turn = append(turn, v)
		}
	}
	return turn
}
