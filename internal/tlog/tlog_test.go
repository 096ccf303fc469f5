package tlog

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

const testOrigin = "counterfoil.example/log"

// memStore is a store in memory whose n-th write can fail.
type memStore struct {
	mu      sync.Mutex
	objects map[string][]byte
	writes  int
	failAt  int  // the write, from 1, that fails; 0 for none
	applied bool // whether it takes effect all the same
}

var errFault = errors.New("injected fault")

func newMemStore() *memStore { return &memStore{objects: map[string][]byte{}} }

func (m *memStore) Read(_ context.Context, name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	data, ok := m.objects[name]
	if !ok {
		return nil, fmt.Errorf("read %s: %w", name, fs.ErrNotExist)
	}
	return slices.Clone(data), nil
}

func (m *memStore) Write(_ context.Context, name string, data []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.writes++
	fail := m.writes == m.failAt
	if !fail || m.applied {
		m.objects[name] = slices.Clone(data)
	}
	if fail {
		return errFault
	}
	return nil
}

func (m *memStore) clone() *memStore {
	return &memStore{objects: maps.Clone(m.objects)}
}

func testKey(t testing.TB, origin string) Key {
	t.Helper()
	secret, _, err := NewKey(origin, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k, err := ParseSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func createLog(t testing.TB, s Store, k Key) *Log {
	t.Helper()
	if err := Create(t.Context(), s, testOrigin, k.Signer); err != nil {
		t.Fatal(err)
	}
	return openLog(t, s, k)
}

func openLog(t testing.TB, s Store, k Key) *Log {
	t.Helper()
	l, err := Open(t.Context(), s, testOrigin, k.Signer, k.Verifier)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func appendN(t testing.TB, l *Log, n int) {
	t.Helper()
	if _, err := l.Append(t.Context(), records(l.Size(), n)); err != nil {
		t.Fatal(err)
	}
}

func record(i int64) []byte { return fmt.Appendf(nil, "record %d", i) }

func records(from int64, n int) [][]byte {
	var rs [][]byte
	for i := range int64(n) {
		rs = append(rs, record(from+i))
	}
	return rs
}

// naiveRoot is RFC 6962 section 2.1, word for word.
func naiveRoot(leaves [][]byte) Hash {
	switch len(leaves) {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return sha256.Sum256(append([]byte{0}, leaves[0]...))
	}
	k := 1
	for k*2 < len(leaves) {
		k *= 2
	}
	left, right := naiveRoot(leaves[:k]), naiveRoot(leaves[k:])
	return sha256.Sum256(slices.Concat([]byte{1}, left[:], right[:]))
}

func wantKind(t *testing.T, err error, kind errkind.Kind) {
	t.Helper()
	if !errkind.Is(err, kind) {
		t.Fatalf("got error %v of kind %s, want kind %s", err, errkind.Of(err), kind)
	}
}

func mustVerify(t testing.TB, s Store, k Key) Report {
	t.Helper()
	r, err := Verify(t.Context(), s, k.Verifier, VerifyOptions{Origin: testOrigin})
	if err != nil {
		t.Fatal(err)
	}
	return r
}
