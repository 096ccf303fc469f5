package cli

import (
	"bytes"
	"sync"
)

// safeBuffer is a buffer for several goroutines that tells when its text has
// come to something.
type safeBuffer struct {
	mu    sync.Mutex // guards all below
	b     bytes.Buffer
	until func(string) bool
	met   chan struct{}
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := s.b.Write(p)
	if s.met != nil && s.until(s.b.String()) {
		close(s.met)
		s.met = nil
	}
	return n, err
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
