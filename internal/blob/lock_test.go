package blob_test

import (
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/internal/blob"
)

func TestLock_JoinIsTheStrongerOfBoth(t *testing.T) {
	early, late := time.Unix(1000, 0).UTC(), time.Unix(2000, 0).UTC()
	for _, test := range []struct{ a, b, want blob.Lock }{
		{blob.Lock{}, blob.Lock{}, blob.Lock{}},
		{blob.Lock{}, blob.Lock{Mode: blob.Governance, Until: early}, blob.Lock{Mode: blob.Governance, Until: early}},
		{
			blob.Lock{Mode: blob.Governance, Until: late}, blob.Lock{Mode: blob.Compliance, Until: early},
			blob.Lock{Mode: blob.Compliance, Until: late},
		},
	} {
		if got := test.a.Join(test.b); got != test.want {
			t.Errorf("%v and %v: %v, want %v", test.a, test.b, got, test.want)
		}
		if got := test.b.Join(test.a); got != test.want {
			t.Errorf("%v and %v: %v, want %v", test.b, test.a, got, test.want)
		}
	}
}
