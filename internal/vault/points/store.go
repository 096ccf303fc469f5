package points

import (
	"context"
	"crypto/sha256"
	"slices"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/canon"
	"github.com/counterfoil/counterfoil/internal/vault/objects"
)

// Points are the points of a vault. It is safe for concurrent use.
type Points struct {
	store *objects.Store
}

// New gives the points in a store.
func New(store *objects.Store) *Points { return &Points{store: store} }

// Ref is a point's object as listed, unread.
type Ref struct {
	Object string
	Source objects.SourceID
	Number uint64
}

// List lists the points of all sources, by source and number. A point
// whose intent alone is left is listed too: it can be read from there.
func (s *Points) List(ctx context.Context) ([]Ref, error) {
	return s.list(ctx, objects.PointPrefix)
}

// ListOf lists the points of one source by number, as [Points.List].
func (s *Points) ListOf(ctx context.Context, source objects.SourceID) ([]Ref, error) {
	return s.list(ctx, objects.PointPrefix+source.String()+"/")
}

func (s *Points) list(ctx context.Context, prefix string) ([]Ref, error) {
	var refs []Ref
	err := s.store.Bucket.List(ctx, prefix, func(i blob.Info) error {
		source, number, _, ok := objects.ParsePoint(i.Name)
		if ok && (len(refs) == 0 || refs[len(refs)-1].Source != source || refs[len(refs)-1].Number != number) {
			refs = append(refs, Ref{Object: objects.PointName(source, number), Source: source, Number: number})
		}
		return nil
	})
	return refs, err
}

// Read reads and checks one point: from its object, or, where that is
// lost or damaged, from its intent, with a warning.
func (s *Points) Read(ctx context.Context, object string) (Point, error) {
	var p Point
	err := s.store.ReadGood(ctx, object, func(data []byte) (err error) {
		p, err = s.Parse(object, data)
		return err
	})
	if err == nil || !errkind.Is(err, errkind.Damaged) && !errkind.Is(err, errkind.NotFound) {
		return p, err
	}
	_, twin, twinErr := s.ReadIntent(ctx, object+objects.IntentSuffix)
	if twinErr != nil {
		return Point{}, err
	}
	p, twinErr = s.Parse(object, twin)
	if twinErr != nil {
		return Point{}, err
	}
	s.store.Warn("point object %q cannot be used (%v); the copy in its intent was read instead", object, err)
	return p, nil
}

// Parse checks and opens the bytes of a point.
func (s *Points) Parse(object string, data []byte) (Point, error) {
	p := Point{Object: object, Digest: sha256.Sum256(data)}
	signed, err := s.store.ParseSigned(canon.Point, object, data, &p.Envelope)
	if err != nil {
		return p, err
	}
	e := &p.Envelope
	if e.Vault != s.store.Vault || object != objects.PointName(e.Source, e.Number) {
		return p, errkind.New(errkind.Damaged, "object %q holds point %d of source %s of vault %x", object, e.Number, e.Source, e.Vault)
	}
	if sha256.Sum256(signed.Body) != e.BodyDigest {
		return p, errkind.New(errkind.Damaged, "object %q: the body is not the one that was signed", object)
	}
	plain, err := s.store.Unbox(canon.Point, signed.Body)
	if err == nil {
		err = canon.Unmarshal(plain, &p.Body)
	}
	if err != nil {
		return p, errkind.Wrap(errkind.Of(err), err, "body of object %q", object)
	}
	return p, nil
}

// Last gives the newest point of a source that can be read: errkind.NotFound
// if it has none, errkind.Damaged if none of those it has can be read.
func (s *Points) Last(ctx context.Context, source objects.SourceID) (Point, error) {
	var last Point
	read, err := s.Back(ctx, source, func(p Point) bool {
		last = p
		return false
	})
	switch {
	case err != nil:
		return Point{}, err
	case read == 0:
		return Point{}, errkind.New(errkind.NotFound, "source %s has no point in this vault", source)
	case last.Object == "":
		return Point{}, errkind.New(errkind.Damaged, "none of the %d points of source %s can be read", read, source)
	}
	return last, nil
}

// Back calls fn for the points of a source, the newest first, until it gives
// false, and tells how many it came by. Those that cannot be read are passed
// over with a warning.
func (s *Points) Back(ctx context.Context, source objects.SourceID, fn func(Point) bool) (int, error) {
	refs, err := s.ListOf(ctx, source)
	if err != nil {
		return 0, err
	}
	for n, ref := range slices.Backward(refs) {
		p, err := s.Read(ctx, ref.Object)
		if errkind.Is(err, errkind.Damaged) || errkind.Is(err, errkind.NotFound) {
			s.store.Warn("point %q cannot be read: %v", ref.Object, err)
			continue
		}
		if err != nil {
			return 0, err
		}
		if !fn(p) {
			return len(refs) - n, nil
		}
	}
	return len(refs), nil
}
