package lifecycle_test

import (
	"testing"

	"github.com/counterfoil/counterfoil/internal/access"
)

// collect runs the two runs of a collection of garbage.
func (r *rig) collect() {
	r.t.Helper()
	for range 2 {
		found, err := r.jobs.PlanGC(r.t.Context(), "books")
		r.must(err)
		_, err = r.jobs.ApplyGC(r.t.Context(), grant(access.PackDelete), "books", found.Plan.Digest)
		r.must(err)
		r.days(60)
	}
}

// TestCertificate_SaysWhenTheDataWasErased: disposed is not erased, as long as
// storage locks the packs.
func TestCertificate_SaysWhenTheDataWasErased(t *testing.T) {
	r, _ := expired(t)
	r.expire()
	one := func() (erased bool, left int) {
		t.Helper()
		list, err := r.life.Certificates(t.Context(), "books")
		if err != nil || len(list) != 1 || list[0].Packs == 0 {
			t.Fatalf("%+v, %v", list, err)
		}
		return !list[0].Erased.IsZero(), list[0].Left
	}
	if erased, left := one(); erased || left == 0 {
		t.Errorf("erased %v with %d packs left", erased, left)
	}
	r.days(400)
	before := r.now
	r.collect()
	erased, left := one()
	list, err := r.life.Certificates(t.Context(), "books")
	r.must(err)
	if !erased || left != 0 || list[0].Erased.Before(before) {
		t.Errorf("erased %v (%s), %d packs left", erased, list[0].Erased, left)
	}
}
