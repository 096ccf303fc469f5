package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/counterfoil/counterfoil/internal/api"
)

func findingID(i int) string { return fmt.Sprintf("finding-%02d", i+1) }

// stream answers long work: events as they come, one result or problem last.
// It may be used from many goroutines.
type stream struct {
	mu    sync.Mutex // guards w, last
	w     http.ResponseWriter
	enc   *json.Encoder
	last  time.Time
	step  string
	now   func() time.Time
	flush func()
}

// progressEvery bounds how often progress is told.
const progressEvery = 100 * time.Millisecond

func (s *Server) stream(w http.ResponseWriter) *stream {
	w.Header().Set("Content-Type", "application/x-ndjson")
	st := &stream{w: w, enc: json.NewEncoder(w), now: s.Receipt, flush: func() {}}
	if f, ok := w.(http.Flusher); ok {
		st.flush = f.Flush
	}
	return st
}

func (st *stream) event(e api.Event) {
	st.mu.Lock()
	defer st.mu.Unlock()
	_ = st.enc.Encode(e) // a caller that has gone cancels the work through its context
	st.flush()
}

// progress tells how far a step is, not more often than need be.
func (st *stream) progress(p api.Progress) {
	now := st.now()
	st.mu.Lock()
	due := p.Step != st.step || now.Sub(st.last) >= progressEvery || p.Total > 0 && p.Done >= p.Total
	if due {
		st.last, st.step = now, p.Step
	}
	st.mu.Unlock()
	if due {
		st.event(api.Event{Type: "progress", Progress: &p})
	}
}

func (st *stream) note(text string) { st.event(api.Event{Type: "note", Message: text}) }

// end writes the result, or the problem that kept it from being one.
func (st *stream) end(result any, err error) error {
	if err != nil {
		st.event(api.Event{Type: "problem", Problem: api.NewProblem(err)})
		return nil
	}
	data, err := json.Marshal(result)
	if err != nil {
		return err
	}
	st.event(api.Event{Type: "result", Result: data})
	return nil
}

// list writes an endless list, a line for each item; a fault in the middle
// ends it with the problem.
type list struct{ st *stream }

func (s *Server) list(w http.ResponseWriter) *list { return &list{s.stream(w)} }

func (l *list) item(v any) error {
	l.st.mu.Lock()
	defer l.st.mu.Unlock()
	return l.st.enc.Encode(v)
}

func (l *list) end(err error) error {
	if err != nil {
		return l.item(api.ListEnd{Problem: api.NewProblem(err)})
	}
	return nil
}
