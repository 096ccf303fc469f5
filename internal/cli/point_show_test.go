package cli

import (
	"strings"
	"testing"
)

func TestPointShow_SaysThatAPointIsARemnant(t *testing.T) {
	p := point()
	p.Tags = []string{"remnant"}
	out := newTerminal(t, answering("GET /api/v1/points/{id}", p)).run("point", "show", "latest").out
	if !strings.Contains(out, "only records that are gone from the source") || !strings.Contains(out, "(remnant)") {
		t.Errorf("%s", out)
	}
	if out := newTerminal(t, fake()).run("point", "show", "latest").out; strings.Contains(out, "emnant") {
		t.Errorf("of another point: %s", out)
	}
}
