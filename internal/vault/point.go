package vault

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/retention"
	"github.com/counterfoil/counterfoil/internal/vault/canon"
	"github.com/counterfoil/counterfoil/internal/vault/pack"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
)

// PointID names a recovery point. It is a ULID, written in lower case.
type PointID [16]byte

// SourceID names a source. It is a ULID, written in lower case.
type SourceID [16]byte

// String gives the id as 26 lower-case characters.
func (p PointID) String() string { return strings.ToLower(ulid.ULID(p).String()) }

// String gives the id as 26 lower-case characters.
func (s SourceID) String() string { return strings.ToLower(ulid.ULID(s).String()) }

// NewSourceID makes an id that sorts by the time given.
func NewSourceID(at time.Time) SourceID { return SourceID(newULID(at)) }

func newULID(at time.Time) ulid.ULID {
	random := NewID()
	var u ulid.ULID
	_ = u.SetTime(uint64(max(at.UnixMilli(), 0))) // fails only after the year 10889
	_ = u.SetEntropy(random[:10])                 // ten bytes always fit
	return u
}

// ParseSourceID reads an id of 26 characters.
func ParseSourceID(s string) (SourceID, error) {
	u, err := ulid.ParseStrict(strings.ToUpper(s))
	if err != nil {
		return SourceID{}, errkind.New(errkind.Invalid, "%q is not an id of 26 characters", s)
	}
	return SourceID(u), nil
}

// ParsePointID reads an id of 26 characters.
func ParsePointID(s string) (PointID, error) {
	id, err := ParseSourceID(s)
	return PointID(id), err
}

// Term says how the time a point is kept is bounded.
type Term string

// The terms of points.
const (
	Fixed         Term = "fixed"
	OpenEnded     Term = "open"
	UnlimitedTerm Term = "unlimited"
)

// PackList names the packs a point needs, as of its commit.
type PackList struct {
	Names []byte   `cbor:"1,keyasint,omitempty"`
	Base  *PointID `cbor:"2,keyasint,omitempty"`
	Add   []byte   `cbor:"3,keyasint,omitempty"`
	Drop  []byte   `cbor:"4,keyasint,omitempty"`
}

// Envelope is the clear, signed part of a point (section 11).
type Envelope struct {
	Vault       ID       `cbor:"1,keyasint"`
	ID          PointID  `cbor:"2,keyasint"`
	Source      SourceID `cbor:"3,keyasint"`
	Number      uint64   `cbor:"4,keyasint"`
	Previous    []byte   `cbor:"5,keyasint,omitempty"`
	Started     Stamp    `cbor:"6,keyasint"`
	Received    Stamp    `cbor:"7,keyasint"`
	RetainUntil *Stamp   `cbor:"8,keyasint,omitempty"`
	Term        Term     `cbor:"9,keyasint"`
	Root        Digest   `cbor:"10,keyasint"`
	BodyDigest  Digest   `cbor:"11,keyasint"`
	Packs       PackList `cbor:"12,keyasint"`
	Complete    bool     `cbor:"13,keyasint"`
	Session     ID       `cbor:"14,keyasint"`
	Trial       bool     `cbor:"15,keyasint,omitempty"`
	Size        int64    `cbor:"16,keyasint"`
	Entries     int64    `cbor:"17,keyasint"`
	// Records and RecordsHead are the number and SHA-256 of the last governance
	// record when the point was made: what comes after it can be checked, what is gone is missed.
	Records     uint64 `cbor:"18,keyasint,omitempty"`
	RecordsHead []byte `cbor:"19,keyasint,omitempty"`
}

// PointProblem is an input that could not be taken.
type PointProblem struct {
	_       struct{} `cbor:",toarray"`
	Path    []byte
	Op      string
	Message string
}

// PointClass is a record class found in a point, by path.
type PointClass struct {
	Class string `cbor:"1,keyasint"`
	Path  string `cbor:"2,keyasint"`
	Files int64  `cbor:"3,keyasint"`
	Bytes int64  `cbor:"4,keyasint"`
}

// Body is the sealed part of a point (section 11).
type Body struct {
	Source SourceRecord `cbor:"1,keyasint"`
	Host   string       `cbor:"2,keyasint"`
	// Retention is what rules decided at commit; the state of the point is
	// the fold of later facts over it.
	Retention    retention.PointFacts `cbor:"3,keyasint"`
	Statistics   map[string]int64     `cbor:"4,keyasint,omitempty"`
	Classes      []PointClass         `cbor:"5,keyasint,omitempty"`
	Problems     []PointProblem       `cbor:"6,keyasint,omitempty"`
	ProblemCount int64                `cbor:"7,keyasint,omitempty"`
	Fuzzy        [][]byte             `cbor:"8,keyasint,omitempty"`
	FuzzyCount   int64                `cbor:"9,keyasint,omitempty"`
	Excluded     int64                `cbor:"10,keyasint,omitempty"`
	Close        *PointClose          `cbor:"11,keyasint,omitempty"`
	Events       []string             `cbor:"12,keyasint,omitempty"`
	Holds        []string             `cbor:"13,keyasint,omitempty"`
	Version      string               `cbor:"14,keyasint,omitempty"`
	Warnings     []string             `cbor:"15,keyasint,omitempty"`
}

// listRoom bounds the bytes of paths and messages in each list of a body: a
// long list of long paths must not keep a point from being committed. The
// counts beside the lists tell how many there were.
const listRoom = 2 << 20

func (b *Body) fit() {
	room := listRoom
	for i, p := range b.Problems {
		if room -= len(p.Path) + len(p.Op) + len(p.Message) + 32; room < 0 {
			b.Problems = b.Problems[:i]
			break
		}
	}
	room = listRoom
	for i, p := range b.Fuzzy {
		if room -= len(p) + 8; room < 0 {
			b.Fuzzy = b.Fuzzy[:i]
			break
		}
	}
}

// PointClose marks a close point.
type PointClose struct {
	Period      string `cbor:"1,keyasint"`
	Provisional bool   `cbor:"2,keyasint,omitempty"`
}

// Point is a committed recovery point as read from the store.
type Point struct {
	Envelope Envelope
	Body     Body
	// Object is the point's name in the store, Digest the SHA-256 of its bytes.
	Object string
	Digest [32]byte
}

const (
	pointPrefix  = "points/"
	intentSuffix = ".intent"
)

func pointObject(source SourceID, number uint64) string {
	return fmt.Sprintf("%s%s/%010d", pointPrefix, source, number)
}

// parsePointObject tells whether name is a point's or an intent's.
func parsePointObject(name string) (source SourceID, number uint64, intent, ok bool) {
	point, intent := strings.CutSuffix(name, intentSuffix)
	id, digits, _ := strings.Cut(strings.TrimPrefix(point, pointPrefix), "/")
	source, err := ParseSourceID(id)
	if err != nil {
		return source, 0, false, false
	}
	number, err = strconv.ParseUint(digits, 10, 64)
	ok = err == nil && number > 0 && pointObject(source, number) == point // no second spelling
	return source, number, intent, ok
}

// PointRef is a point's object as listed, unread.
type PointRef struct {
	Object string
	Source SourceID
	Number uint64
}

// ListPoints lists the points of all sources, by source and number. A point
// whose intent alone is left is listed too: it can be read from there.
func (v *Vault) ListPoints(ctx context.Context) ([]PointRef, error) {
	return v.listPoints(ctx, pointPrefix)
}

func (v *Vault) listPoints(ctx context.Context, prefix string) ([]PointRef, error) {
	var refs []PointRef
	err := v.bucket.List(ctx, prefix, func(i blob.Info) error {
		source, number, _, ok := parsePointObject(i.Name)
		if ok && (len(refs) == 0 || refs[len(refs)-1].Source != source || refs[len(refs)-1].Number != number) {
			refs = append(refs, PointRef{Object: pointObject(source, number), Source: source, Number: number})
		}
		return nil
	})
	return refs, err
}

// ReadPoint reads and checks one point: from its object, or, where that is
// lost or damaged, from its intent, with a warning.
func (v *Vault) ReadPoint(ctx context.Context, object string) (Point, error) {
	data, err := v.bucket.ReadAll(ctx, object, smallObjectLimit)
	var p Point
	if err == nil {
		p, err = v.parsePoint(ctx, object, data)
	}
	if err == nil || !errkind.Is(err, errkind.Damaged) && !errkind.Is(err, errkind.NotFound) {
		return p, err
	}
	_, twin, twinErr := v.readIntent(ctx, object+intentSuffix)
	if twinErr != nil {
		return Point{}, err
	}
	p, twinErr = v.parsePoint(ctx, object, twin)
	if twinErr != nil {
		return Point{}, err
	}
	v.warn("point object %q cannot be used (%v); the copy in its intent was read instead", object, err)
	return p, nil
}

func (v *Vault) parsePoint(_ context.Context, object string, data []byte) (Point, error) {
	p := Point{Object: object, Digest: sha256.Sum256(data)}
	signed, err := v.parseSigned(canon.Point, object, data, &p.Envelope)
	if err != nil {
		return p, err
	}
	e := &p.Envelope
	if e.Vault != v.header.Vault || object != pointObject(e.Source, e.Number) {
		return p, errkind.New(errkind.Damaged, "object %q holds point %d of source %s of vault %x", object, e.Number, e.Source, e.Vault)
	}
	if sha256.Sum256(signed.Body) != e.BodyDigest {
		return p, errkind.New(errkind.Damaged, "object %q: the body is not the one that was signed", object)
	}
	z := v.zippers.Get()
	defer v.zippers.Put(z)
	plain, err := seal.Unbox(canon.Point, v.header.Vault, signed.Body, v.ring, z)
	if err == nil {
		err = canon.Unmarshal(plain, &p.Body)
	}
	if err != nil {
		return p, errkind.Wrap(errkind.Of(err), err, "body of object %q", object)
	}
	return p, nil
}

// PackObjects gives the object names of the packs that the point needs: those
// listed at commit, or what replaced them since.
// The kind of each is looked up among the packs present; a missing one is
// given as a data pack.
func (v *Vault) PackObjects(ctx context.Context, e Envelope) ([]string, error) {
	set, err := v.loadPacks(ctx)
	if err != nil {
		return nil, err
	}
	return set.objects(e)
}

func (s *packSet) objects(e Envelope) ([]string, error) {
	if e.Packs.Base != nil {
		return nil, errkind.New(errkind.Unsupported, "point %s lists its packs relative to another: this version only writes full lists", e.ID)
	}
	listed, err := splitNames(e.Packs.Names)
	if err != nil {
		return nil, err
	}
	var out []string
	seen := map[pack.Name]bool{}
	for _, was := range listed {
		for _, n := range s.ledger.where(was) {
			if !seen[n] {
				seen[n] = true
				out = append(out, s.object(n))
			}
		}
	}
	return out, nil
}

// object names a pack's object; one that nothing is known of as that of data.
func (s *packSet) object(n pack.Name) string {
	kind, stray := s.strays[n]
	if _, head, ok := s.find(n); ok {
		kind = head.Kind
	} else if !stray {
		kind = seal.DataChunk
	}
	return pack.Object(kind, n)
}
