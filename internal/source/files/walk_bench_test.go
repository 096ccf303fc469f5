//go:build linux

package files_test

import (
	"context"
	"testing"

	"github.com/counterfoil/counterfoil/internal/source"
	"github.com/counterfoil/counterfoil/internal/source/files"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// count is a visitor that only counts, so that the walk itself is measured.
type count struct{ entries, problems int }

func (c *count) EnterDir(string, vault.Entry, source.Hint) error { c.entries++; return nil }
func (c *count) Entry(string, vault.Entry, source.Hint, func() (source.File, error)) error {
	c.entries++
	return nil
}
func (c *count) LeaveDir(string) error         { return nil }
func (c *count) Problem(source.Problem) error  { c.problems++; return nil }
func (c *count) Excluded(string, string) error { return nil }

func BenchmarkWalk(b *testing.B) {
	r := newReader(b, files.Config{Paths: []string{"/usr/share"}})
	b.ReportAllocs()
	var c count
	for b.Loop() {
		c = count{}
		if err := r.Walk(context.Background(), &c); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(c.entries), "ns/entry")
	b.ReportMetric(float64(c.entries), "entries")
}
