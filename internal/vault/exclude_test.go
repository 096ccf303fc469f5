package vault_test

import (
	"testing"

	"github.com/counterfoil/counterfoil/internal/vault"
)

// A pack that was found damaged is not counted as stored, but what is whole
// in it is still read, and a full verification looks at it anew.
func TestExclude_PackIsReadAndVerifiedAnew(t *testing.T) {
	f, points, packs := two(t)
	f.exclude = func(object string) bool { return object == packs[0] }
	v := f.open()
	files, broken := f.read(v, points[0])
	if broken != 0 {
		t.Errorf("%d files cannot be read", broken)
	}
	check(t, onlyNoise(0), files)
	report, err := v.Verify(t.Context(), vault.Full, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range report.Problems {
		t.Errorf("%s: %s", p.Object, p.Reason)
	}
}
