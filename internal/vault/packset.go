package vault

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/canon"
	"github.com/counterfoil/counterfoil/internal/vault/index"
	"github.com/counterfoil/counterfoil/internal/vault/pack"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
)

// packSet is what is known about the packs in the store: the index, checked
// against the listing. It is immutable once loaded.
type packSet struct {
	segments []*index.Segment
	byName   map[pack.Name]*index.Pack
	healthy  map[pack.Name]bool
	// present are all packs in the listing, whole or not.
	present map[pack.Name]seal.ChunkKind
	// unindexed are packs that no segment covered; their directories were read.
	unindexed []pack.Info
	// ledger tells which packs are condemned and which were replaced.
	ledger *ledger
	// faults name objects that cannot be used, with the reason.
	faults []Fault
}

func newPackSet() *packSet {
	return &packSet{ledger: newLedger(), byName: map[pack.Name]*index.Pack{}, healthy: map[pack.Name]bool{}, present: map[pack.Name]seal.ChunkKind{}}
}

// Fault is an object found wrong, and why.
type Fault struct {
	Object string
	Reason string
}

const (
	segmentPrefix = "index/seg-"
	packsPrefix   = "packs/"
)

// loadPacks gives the vault's pack set, loading it at first use.
func (v *Vault) loadPacks(ctx context.Context) (*packSet, error) {
	v.mu.Lock()
	set := v.packs
	v.mu.Unlock()
	if set != nil {
		return set, nil
	}
	set, err := v.readPackSet(ctx)
	if err != nil {
		return nil, err
	}
	v.mu.Lock()
	v.packs = set
	v.mu.Unlock()
	return set, nil
}

// forgetPacks makes the next use read the index and listing anew.
func (v *Vault) forgetPacks() {
	v.mu.Lock()
	v.packs = nil
	v.mu.Unlock()
}

func (v *Vault) readPackSet(ctx context.Context) (*packSet, error) {
	return v.readPackSetWithout(ctx, v.opts.Exclude)
}

// readPackSetWithout reads the packs that exclude does not know as damaged.
func (v *Vault) readPackSetWithout(ctx context.Context, exclude func(object string) bool) (*packSet, error) {
	set := newPackSet()
	var err error
	if set.ledger, err = v.readLedger(ctx); errkind.Is(err, errkind.Damaged) || errkind.Is(err, errkind.NotFound) {
		// Nothing is deleted while records cannot be read, so nothing is lost
		// by counting on every pack.
		v.warn("%v", err)
		set.ledger = newLedger()
	} else if err != nil {
		return nil, err
	}
	if err := v.readSegments(ctx, set); err != nil {
		return nil, err
	}
	err = v.bucket.List(ctx, packsPrefix, func(i blob.Info) error {
		kind, name, ok := pack.ParseObject(i.Name)
		if !ok {
			set.fault(i.Name, "not the name of a pack")
			return nil
		}
		set.present[name] = kind
		known := set.byName[name]
		switch {
		case exclude(i.Name):
			set.fault(i.Name, "found damaged by an earlier verification")
		case known == nil:
			return v.readUnindexed(ctx, set, kind, name, i)
		case known.Size != i.Size || known.Kind != kind:
			set.fault(i.Name, "its length or kind is not the one in the index: cut short or replaced")
		default:
			set.healthy[name] = true
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	v.indexUnindexed(set)
	return set, nil
}

func (s *packSet) fault(object, reason string) {
	s.faults = append(s.faults, Fault{Object: object, Reason: reason})
}

func (v *Vault) readUnindexed(ctx context.Context, set *packSet, kind seal.ChunkKind, name pack.Name, i blob.Info) error {
	frames, err := v.readDirectory(ctx, kind, i.Name, i.Size)
	if err != nil {
		if errkind.Is(err, errkind.Damaged) || errkind.Is(err, errkind.NotFound) {
			set.fault(i.Name, err.Error())
			return nil
		}
		return err
	}
	set.unindexed = append(set.unindexed, pack.Info{Kind: kind, Name: name, Size: i.Size, Frames: frames})
	set.healthy[name] = true
	return nil
}

func (v *Vault) indexUnindexed(set *packSet) {
	if len(set.unindexed) == 0 {
		return
	}
	b := index.NewBuilder(v.chunkID)
	for _, info := range set.unindexed {
		b.Add(info)
	}
	set.addSegment(b.Segment())
}

func (v *Vault) chunkID(kind seal.ChunkKind, digest [32]byte) [32]byte {
	return v.domain.ChunkID(kind, digest)
}

func (s *packSet) addSegment(seg *index.Segment) {
	s.segments = append(s.segments, seg)
	for _, p := range seg.Packs() {
		if s.byName[p.Name] == nil {
			s.byName[p.Name] = p
		}
	}
}

// readSegments reads every index segment; one that is damaged is left out, and
// its packs are found again through their directories.
func (v *Vault) readSegments(ctx context.Context, set *packSet) error {
	var names []string
	err := v.bucket.List(ctx, segmentPrefix, func(i blob.Info) error {
		names = append(names, i.Name)
		return nil
	})
	if err != nil {
		return err
	}
	for _, name := range names {
		seg, err := v.readSegment(ctx, name)
		switch {
		case err == nil:
			set.addSegment(seg)
		case errkind.Is(err, errkind.Damaged):
			set.fault(name, err.Error())
		default:
			return err
		}
	}
	return nil
}

func (v *Vault) readSegment(ctx context.Context, name string) (*index.Segment, error) {
	object, err := v.bucket.ReadAll(ctx, name, smallObjectLimit)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(object)
	if hex.EncodeToString(sum[:]) != strings.TrimPrefix(name, segmentPrefix) {
		return nil, errkind.New(errkind.Damaged, "index segment %q: its bytes do not have the SHA-256 of its name", name)
	}
	z := v.zippers.Get()
	defer v.zippers.Put(z)
	data, err := seal.Unstream(canon.Segment, v.header.Vault, object, v.ring, z)
	var seg *index.Segment
	if err == nil {
		seg, err = index.Decode(data)
	}
	if err != nil {
		return nil, errkind.Wrap(errkind.Of(err), err, "index segment %q", name)
	}
	return seg, nil
}

// putSegment stores a segment and gives its object name.
func (v *Vault) putSegment(ctx context.Context, seg *index.Segment, lock blob.Lock) (string, error) {
	session := seal.NewID()
	key, err := v.ring.SessionKey(v.ring.Current, session)
	if err != nil {
		return "", err
	}
	z := v.zippers.Get()
	defer v.zippers.Put(z)
	sealer := seal.New(canon.Segment, v.header.Vault, v.ring.Current, session, key)
	object := seal.Stream(canon.Segment, v.header.Vault, sealer, z, seg.Encode())
	sum := sha256.Sum256(object)
	name := segmentPrefix + hex.EncodeToString(sum[:])
	_, err = v.bucket.Put(ctx, name, object, blob.PutOptions{Lock: lock})
	return name, err
}

// readDirectory reads a pack's directory from its end.
func (v *Vault) readDirectory(ctx context.Context, kind seal.ChunkKind, object string, size int64) ([]pack.Frame, error) {
	if size < pack.FramesAt || size > pack.MaxSize {
		return nil, errkind.New(errkind.Damaged, "pack %q has the impossible length %d", object, size)
	}
	head, err := v.readRange(ctx, object, 0, pack.FramesAt)
	if err != nil {
		return nil, err
	}
	tail, err := v.readRange(ctx, object, max(0, size-pack.TailSize), size)
	if err != nil {
		return nil, err
	}
	from, to, err := pack.DirectoryAt(tail, size)
	if err != nil {
		return nil, errkind.Wrap(errkind.Damaged, err, "pack %q", object)
	}
	sealed, err := v.readRange(ctx, object, from, to)
	if err != nil {
		return nil, err
	}
	s, err := pack.OpenHead(kind, v.header.Vault, head, v.ring)
	var frames []pack.Frame
	if err == nil {
		frames, err = pack.ParseDirectory(s, sealed)
	}
	if err == nil && pack.FramesEnd(frames) > from {
		err = errkind.New(errkind.Damaged, "its directory lists frames beyond its end")
	}
	if err != nil {
		return nil, errkind.Wrap(damagedUnlessNewer(err), err, "pack %q", object)
	}
	return frames, nil
}

// damagedUnlessNewer counts any fault in sealed bytes as damage (a generation
// that the keyring lacks can only come from altered bytes), but keeps the word of
// a newer format.
func damagedUnlessNewer(err error) errkind.Kind {
	if errkind.Is(err, errkind.NewerFormat) {
		return errkind.NewerFormat
	}
	return errkind.Damaged
}

func (v *Vault) readRange(ctx context.Context, object string, from, to int64) ([]byte, error) {
	p := make([]byte, to-from)
	return p, v.readInto(ctx, object, p, from)
}

// readInto fills p from an object; one that is too short is damaged.
func (v *Vault) readInto(ctx context.Context, object string, p []byte, from int64) error {
	n, err := v.bucket.ReadAt(ctx, object, p, from)
	if n == len(p) {
		return nil
	}
	if err == nil || isEOF(err) {
		err = errkind.New(errkind.Damaged, "object %q is shorter than %d bytes", object, from+int64(len(p)))
	}
	return err
}

// places gives the places of a chunk to read it from, those in healthy packs
// first. A damaged pack still gives what is whole in it: digests tell.
func (s *packSet) places(id index.ID) []index.Place {
	var out, doubtful []index.Place
	for _, seg := range s.segments {
		seg.Lookup(id, func(p index.Place) bool {
			if s.healthy[p.Pack.Name] {
				out = append(out, p)
			} else if _, ok := s.present[p.Pack.Name]; ok {
				doubtful = append(doubtful, p)
			}
			return true
		})
	}
	return append(out, doubtful...)
}

// usable reports whether a point may count on a pack: it is whole as far as is
// known, and not condemned.
func (s *packSet) usable(n pack.Name) bool {
	_, condemned := s.ledger.condemned[n]
	return s.healthy[n] && !condemned
}

// place gives the first place of a chunk that a point may count on.
func (s *packSet) place(id index.ID) (index.Place, bool) {
	var found index.Place
	for _, seg := range s.segments {
		stopped := !seg.Lookup(id, func(p index.Place) bool {
			if !s.usable(p.Pack.Name) {
				return true
			}
			found = p
			return false
		})
		if stopped {
			return found, true
		}
	}
	return found, false
}

// RebuildIndex writes a fresh index segment from the packs' directories alone
// and gives the number of packs it covers. Older segments stay; they say the same.
func (v *Vault) RebuildIndex(ctx context.Context, g access.Grant) (int, error) {
	if err := g.Require(access.IndexRebuild, access.VaultRecover); err != nil {
		return 0, err
	}
	set := newPackSet()
	err := v.bucket.List(ctx, packsPrefix, func(i blob.Info) error {
		if kind, name, ok := pack.ParseObject(i.Name); ok {
			return v.readUnindexed(ctx, set, kind, name, i)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	b := index.NewBuilder(v.chunkID)
	for _, info := range set.unindexed {
		b.Add(info)
		if b.Len() >= segmentFlush {
			if _, err := v.putSegment(ctx, b.Segment(), blob.Lock{}); err != nil {
				return 0, err
			}
			b = index.NewBuilder(v.chunkID)
		}
	}
	if b.Packs() > 0 {
		if _, err := v.putSegment(ctx, b.Segment(), blob.Lock{}); err != nil {
			return 0, err
		}
	}
	v.forgetPacks()
	return len(set.unindexed), nil
}
