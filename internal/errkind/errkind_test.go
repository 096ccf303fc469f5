package errkind

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
)

// every lists all kinds; Cancelled is the last.
func every() []Kind {
	var kinds []Kind
	for k := Internal; k <= Cancelled; k++ {
		kinds = append(kinds, k)
	}
	return kinds
}

func TestKind_NamesAreCompleteAndDistinct(t *testing.T) {
	if len(names) != len(every()) {
		t.Fatalf("%d names for %d kinds", len(names), len(every()))
	}
	seen := map[string]Kind{}
	for _, k := range every() {
		name := k.String()
		if other, taken := seen[name]; taken {
			t.Errorf("kinds %d and %d are both %q", other, k, name)
		}
		seen[name] = k
		if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_") != "" {
			t.Errorf("name %q is not snake_case", name)
		}
		if got := Parse(name); got != k {
			t.Errorf("Parse(%q) = %d, want %d", name, got, k)
		}
	}
}

func TestKind_OutsideTheListIsInternal(t *testing.T) {
	for _, k := range []Kind{-1, Cancelled + 1} {
		if got := k.String(); got != "internal" {
			t.Errorf("Kind(%d) is %q", k, got)
		}
	}
	for _, name := range []string{"", "Invalid", "no such kind"} {
		if got := Parse(name); got != Internal {
			t.Errorf("Parse(%q) = %v", name, got)
		}
	}
}

func TestOf_OutermostKindCounts(t *testing.T) {
	inner := New(NotFound, "pack %s", "9f2c")
	tests := map[string]struct {
		err  error
		want Kind
	}{
		"nil":              {nil, Internal},
		"plain":            {errors.New("x"), Internal},
		"own":              {inner, NotFound},
		"context added":    {fmt.Errorf("read: %w", inner), NotFound},
		"wrapped again":    {Wrap(Damaged, inner, "index"), Damaged},
		"kind below plain": {fmt.Errorf("verify: %w", Wrap(Damaged, inner, "index")), Damaged},
		"joined":           {errors.Join(errors.New("x"), inner), NotFound},
		"cancelled":        {fmt.Errorf("read: %w", context.Canceled), Cancelled},
		"out of time":      {context.DeadlineExceeded, Cancelled},
		"cancelled within": {Wrap(Internal, context.Canceled, "work"), Cancelled},
		"explicit kind":    {Wrap(Unavailable, context.DeadlineExceeded, "store"), Unavailable},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := Of(tt.err); got != tt.want {
				t.Errorf("Of = %v, want %v", got, tt.want)
			}
			for _, k := range every() {
				if want := tt.err != nil && k == tt.want; Is(tt.err, k) != want {
					t.Errorf("Is(%v) = %t", k, !want)
				}
			}
		})
	}
}

func TestWrap_TextAndChain(t *testing.T) {
	if Wrap(Damaged, nil, "x") != nil {
		t.Error("nil became an error")
	}
	tests := []struct {
		err  error
		want string
	}{
		{New(Invalid, "name %q", "a/b"), `name "a/b"`},
		{Wrap(NotFound, fs.ErrNotExist, "read pack %d", 7), "read pack 7: file does not exist"},
		{Wrap(NotFound, fs.ErrNotExist, ""), "file does not exist"},
	}
	for _, tt := range tests {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("text %q, want %q", got, tt.want)
		}
	}
	if !errors.Is(Wrap(NotFound, fs.ErrNotExist, ""), fs.ErrNotExist) {
		t.Error("the cause is no longer found")
	}
}
