package points

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"sort"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/canon"
	"github.com/counterfoil/counterfoil/internal/vault/objects"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
	"github.com/counterfoil/counterfoil/internal/vault/tree"
)

// Hints hold what a file system says of files beyond what trees keep (ctime
// and inode), so that the next run knows unchanged ones (section 10). They are
// derived: without them files are read again. One goroutine at a time adds.
type Hints struct {
	data   []byte
	sorted bool
}

const hintSize = 40

// hintsLimit bounds hints that are used; larger ones only cost a full read of the source.
const hintsLimit = 256 << 20

// HintKey names a file in hints.
type HintKey [16]byte

// HintKeyOf gives the key of a path relative to the root.
func HintKeyOf(path string) HintKey { return hintKey(path) }

// Add notes one file by its path relative to the root.
func (h *Hints) Add(path string, ctime tree.Stamp, inode uint64) {
	h.AddKey(hintKey(path), ctime, inode)
}

// AddKey is Add for a path whose key is known.
func (h *Hints) AddKey(key HintKey, ctime tree.Stamp, inode uint64) {
	h.data = append(h.data, key[:]...)
	h.data = binary.BigEndian.AppendUint64(h.data, uint64(ctime.Sec))
	h.data = binary.BigEndian.AppendUint32(h.data, ctime.Nsec)
	h.data = binary.BigEndian.AppendUint64(h.data, inode)
	h.data = binary.BigEndian.AppendUint32(h.data, 0)
	h.sorted = false
}

func hintKey(path string) HintKey {
	sum := sha256.Sum256([]byte(path))
	return HintKey(sum[:16])
}

// Len is the number of files noted.
func (h *Hints) Len() int { return len(h.data) / hintSize }

// Lookup finds a file's hint.
func (h *Hints) Lookup(path string) (ctime tree.Stamp, inode uint64, ok bool) {
	return h.LookupKey(hintKey(path))
}

// LookupKey is Lookup for a path whose key is known.
func (h *Hints) LookupKey(key HintKey) (ctime tree.Stamp, inode uint64, ok bool) {
	if h == nil {
		return tree.Stamp{}, 0, false
	}
	h.sort()
	s := hintSorter(h.data)
	i := sort.Search(s.Len(), func(i int) bool { return bytes.Compare(s.at(i)[:16], key[:]) >= 0 })
	if i == s.Len() || !bytes.Equal(s.at(i)[:16], key[:]) {
		return tree.Stamp{}, 0, false
	}
	r := s.at(i)
	return tree.Stamp{Sec: int64(binary.BigEndian.Uint64(r[16:])), Nsec: binary.BigEndian.Uint32(r[24:])}, binary.BigEndian.Uint64(r[28:]), true
}

func (h *Hints) sort() {
	if !h.sorted {
		sort.Sort(hintSorter(h.data))
		h.sorted = true
	}
}

type hintSorter []byte

func (s hintSorter) Len() int           { return len(s) / hintSize }
func (s hintSorter) at(i int) []byte    { return s[i*hintSize : (i+1)*hintSize] }
func (s hintSorter) Less(i, j int) bool { return bytes.Compare(s.at(i), s.at(j)) < 0 }
func (s hintSorter) Swap(i, j int) {
	var t [hintSize]byte
	copy(t[:], s.at(i))
	copy(s.at(i), s.at(j))
	copy(s.at(j), t[:])
}

// PutHints stores hints beside a point.
func (s *Points) PutHints(ctx context.Context, e Envelope, h *Hints, lock blob.Lock) error {
	h.sort()
	data := append(binary.BigEndian.AppendUint64(nil, uint64(h.Len())), h.data...)
	object, err := s.store.Stream(canon.Hint, e.Session, data)
	if err != nil {
		return err
	}
	_, err = s.store.Bucket.Put(ctx, objects.HintName(e.Source, e.Number), object, blob.PutOptions{Lock: lock})
	if errkind.Is(err, errkind.Exists) {
		return nil // left by a run that died before its intent; readers see that it is not this one's
	}
	return err
}

// ReadHints reads the hints stored with a point: errkind.NotFound or Damaged
// when there are none to use.
func (s *Points) ReadHints(ctx context.Context, source objects.SourceID, number uint64) (*Hints, error) {
	name := objects.HintName(source, number)
	object, err := s.store.Bucket.ReadAll(ctx, name, hintsLimit)
	if err != nil {
		return nil, err
	}
	p, err := s.Read(ctx, objects.PointName(source, number))
	if err != nil {
		return nil, err
	}
	if !sealedBy(object, p.Envelope.Session) {
		return nil, errkind.New(errkind.NotFound, "hints %q are of another run than the point", name)
	}
	return s.ParseHints(name, object)
}

// sealedBy tells whether a sealed stream names the session in its seal header.
func sealedBy(object []byte, session seal.ID) bool {
	const at = canon.MagicSize + 16
	if len(object) < at {
		return false
	}
	h, _, err := seal.ParseHeader(object[at:])
	return err == nil && h.Session == session
}

// ParseHints opens the bytes of hints.
func (s *Points) ParseHints(name string, object []byte) (*Hints, error) {
	data, err := s.store.Unstream(canon.Hint, object)
	if err != nil {
		return nil, errkind.Wrap(errkind.Of(err), err, "hints %q", name)
	}
	return decodeHints(data)
}

func decodeHints(data []byte) (*Hints, error) {
	if len(data) < 8 || (len(data)-8)%hintSize != 0 || binary.BigEndian.Uint64(data) != uint64((len(data)-8)/hintSize) {
		return nil, errkind.New(errkind.Damaged, "hints do not have the length they announce")
	}
	h := &Hints{data: data[8:]}
	h.sort()
	return h, nil
}
