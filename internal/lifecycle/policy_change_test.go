package lifecycle_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/blob/memblob"
	"github.com/counterfoil/counterfoil/internal/calendar"
	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/custody"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/lifecycle"
	"github.com/counterfoil/counterfoil/internal/policy"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// own is a policy as a person writes it, without a version.
func own(t *testing.T, change func(p *policy.Policy)) []byte {
	t.Helper()
	p := policy.SOX()
	p.Name = "own"
	if change != nil {
		change(&p)
	}
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	delete(m, "version")
	if text, err = json.Marshal(m); err != nil {
		t.Fatal(err)
	}
	return text
}

func daily(days int) func(p *policy.Policy) {
	return func(p *policy.Policy) { p.Keep[0].For = calendar.Days(days) }
}

// set makes a policy as the gate would, by the action that the change asks for.
func (r *rig) set(document []byte) *lifecycle.PolicyChange {
	r.t.Helper()
	plan, err := r.life.PlanPolicy(r.t.Context(), document)
	r.must(err)
	c, err := r.life.SetPolicy(r.t.Context(), grant(plan.Action()), document)
	r.must(err)
	return c
}

func (r *rig) move(source, name string) *lifecycle.PolicyChange {
	r.t.Helper()
	plan, err := r.life.PlanSourcePolicy(r.t.Context(), source, name)
	r.must(err)
	c, err := r.life.SetSourcePolicy(r.t.Context(), grant(plan.Action()), source, name)
	r.must(err)
	return c
}

// underOwn is a rig whose source is under a policy of its own, with n points.
func underOwn(t *testing.T, n int) *rig {
	t.Helper()
	r := newRig(t, options{})
	r.set(own(t, nil))
	r.move("ledgers", "own")
	for range n {
		r.backup()
		r.days(1)
	}
	return r
}

// terms are the ends of the points' retention by number, from the catalog.
func (r *rig) terms() map[int64]string {
	r.t.Helper()
	out := map[int64]string{}
	for _, p := range r.points() {
		out[p.Number] = fmt.Sprint(p.RetainUntil, p.Unlimited)
	}
	return out
}

func (r *rig) records() []vault.Record {
	r.t.Helper()
	list, err := r.vault().RecordsAnew(r.t.Context())
	r.must(err)
	return list
}

// known is all that the catalog has which a recovery must bring back.
func (r *rig) known() any {
	r.t.Helper()
	sources, err := r.catalog.Sources(r.t.Context())
	r.must(err)
	policies, err := r.catalog.Policies(r.t.Context())
	r.must(err)
	for i := range policies {
		policies[i].CreatedAt = time.Time{}
	}
	return []any{sources, policies, r.terms()}
}

func (r *rig) recover() {
	r.t.Helper()
	row, err := r.catalog.Vault(r.t.Context(), "books")
	r.must(err)
	url, err := blob.ParseURL(row.URL)
	r.must(err)
	out, err := r.custody.Recover(r.t.Context(), grant(access.VaultRecover), url, r.custody.KeyFile(row.ID))
	r.must(err)
	if len(out.Missing) > 0 {
		r.t.Errorf("recovery misses %v", out.Missing)
	}
}

func TestPolicy_LongerRaisesExistingPointsEverywhere(t *testing.T) {
	r := underOwn(t, 4)
	before := r.points()
	plan, err := r.life.PlanPolicy(t.Context(), own(t, daily(90)))
	r.must(err)
	if plan.Action() != access.PolicyUpdate || plan.Version != 2 || plan.Before != 1 || len(plan.Sources) != 1 || len(plan.Sources[0].Points) != 3 {
		t.Fatalf("%+v", plan)
	}
	if d := cmp.Diff(before, r.points()); d != "" {
		t.Errorf("the preview changed something: %s", d)
	}
	r.set(own(t, daily(90)))
	if s := r.source(); s.Policy != "own" || s.PolicyVersion != 2 {
		t.Errorf("the source is under %s %d", s.Policy, s.PolicyVersion)
	}
	raised := 0
	for i, p := range r.points() {
		want := p.ReceivedAt.AddDate(0, 0, 90)
		if before[i].RetainUntil.After(want) { // weekly, monthly or yearly
			continue
		}
		raised++
		if !p.RetainUntil.Equal(want) {
			t.Errorf("point %d is kept until %v, want %v", p.Number, p.RetainUntil, want)
		}
		info, err := r.vault().Bucket().Stat(t.Context(), objectOf(t, p))
		r.must(err)
		if info.Lock.Until.Before(want) {
			t.Errorf("point %d is locked until %v only", p.Number, info.Lock.Until)
		}
	}
	if raised != 3 {
		t.Errorf("%d points were raised", raised)
	}
	if l := r.locks(); l.Short() || len(l.Raise) != 0 {
		t.Errorf("%+v", l)
	}
	known := r.known()
	r.recover()
	if d := cmp.Diff(known, r.known()); d != "" {
		t.Errorf("after recovery: %s", d)
	}
	r.days(45) // past the 30 days of the first version
	r.backup()
	if e := r.plan(); len(e.Expire) != 0 {
		t.Errorf("%d points would go", len(e.Expire))
	}
	r.days(60)
	if e := r.plan(); len(e.Expire) != 3 {
		t.Errorf("%d points would go", len(e.Expire))
	}
}

func TestPolicy_ShorterTouchesNoPointAndCountsForNewOnes(t *testing.T) {
	r := underOwn(t, 3)
	before := r.terms()
	plan, err := r.life.PlanPolicy(t.Context(), own(t, daily(10)))
	r.must(err)
	change := plan.Sources[0].Change
	if plan.Action() != access.PolicyShorten || len(change.Points) != 0 || change.Spared != 2 || !change.ShowsFrom.Equal(r.now.AddDate(0, 0, 10)) {
		t.Fatalf("%+v", plan)
	}
	_, err = r.life.SetPolicy(t.Context(), grant(access.PolicyUpdate), own(t, daily(10)))
	wantKind(t, err, errkind.Busy, "policy/shorten")
	r.latched = "the clock's latch is closed"
	_, err = r.life.SetPolicy(t.Context(), grant(access.PolicyShorten), own(t, daily(10)))
	wantKind(t, err, errkind.Refused, "latch")
	r.set(own(t, daily(40))) // longer goes on
	r.latched = ""
	raised := r.terms()
	r.set(own(t, daily(10)))
	if d := cmp.Diff(raised, r.terms()); d != "" {
		t.Errorf("a point changed: %s", d)
	}
	if cmp.Equal(before, raised) {
		t.Error("the longer version raised nothing")
	}
	r.backup() // of a Sunday: it takes the weekly tag
	r.days(1)
	if p := r.backup(); !p.RetainUntil.Equal(p.ReceivedAt.AddDate(0, 0, 10)) {
		t.Errorf("the new point is kept until %v", p.RetainUntil)
	}
	r.days(1)
	r.recover()
	if s := r.source(); s.PolicyVersion != 3 {
		t.Errorf("recovered version %d", s.PolicyVersion)
	}
	r.days(20)
	r.backup()
	if e := r.plan(); len(e.Expire) != 1 || e.Expire[0].Number != 5 {
		t.Errorf("%+v", e.Expire)
	}
}

func TestPolicy_RefusedForOneSourceChangesNothing(t *testing.T) {
	r := newRig(t, options{classes: []policy.ClassRule{{Class: "general_ledger", Path: "/**"}}})
	r.set(own(t, nil))
	r.move("ledgers", "own")
	r.backup()
	before, records := r.known(), len(r.records())
	for name, document := range map[string][]byte{
		"below the minimum":     own(t, func(p *policy.Policy) { p.EveryPoint = calendar.Days(2) }),
		"beyond the maximum":    own(t, func(p *policy.Policy) { p.Keep[3].For = calendar.Years(20) }),
		"beyond that of aclass": own(t, func(p *policy.Policy) { p.Classes = []policy.ClassRule{{Class: "aml_kyc", Path: "/kyc"}} }),
	} {
		_, err := r.life.PlanPolicy(t.Context(), document)
		wantKind(t, err, errkind.Refused, `source "ledgers" does not fit vault "books"`)
		_, err = r.life.SetPolicy(t.Context(), grant(access.PolicyUpdate), document)
		wantKind(t, err, errkind.Refused, `policy "own" is not changed`)
		if d := cmp.Diff(before, r.known()); d != "" || len(r.records()) != records {
			t.Errorf("%s: %d records, were %d; %s", name, len(r.records()), records, d)
		}
	}
	reasoned := own(t, func(p *policy.Policy) {
		p.Classes = []policy.ClassRule{{Class: "aml_kyc", Path: "/kyc", BeyondMaximum: "order of the court of 3 May"}}
	})
	if _, err := r.life.PlanPolicy(t.Context(), reasoned); err != nil {
		t.Error(err)
	}
}

// A class that the source itself names can be reasoned by a rule of the policy.
func TestPolicy_ClassMaximumOfASource(t *testing.T) {
	r := newRig(t, options{})
	kyc := custody.NewSource{Name: "kyc", Vault: "books", Paths: [][]byte{[]byte(r.folder)}, Classes: []policy.ClassRule{{Class: "aml_kyc", Path: "/**"}}}
	_, err := r.custody.CreateSource(t.Context(), grant(access.SourceCreate), kyc)
	wantKind(t, err, errkind.Invalid, "class aml_kyc of the source may be kept 5 years at most")
	r.set(own(t, func(p *policy.Policy) {
		p.Classes = []policy.ClassRule{{Class: "aml_kyc", Path: "/nothing", BeyondMaximum: "order of the court of 3 May"}}
	}))
	kyc.Policy = "own"
	if _, err := r.custody.CreateSource(t.Context(), grant(access.SourceCreate), kyc); err != nil {
		t.Fatal(err)
	}
	_, err = r.life.PlanSourcePolicy(t.Context(), "kyc", "sox")
	wantKind(t, err, errkind.Refused, "class aml_kyc")
}

func TestPolicy_MistakesAndStaleVersionsAreRefused(t *testing.T) {
	r := underOwn(t, 0)
	for says, document := range map[string]string{
		"presets do not change":              `{"name":"sox","zone":"UTC"}`,
		"colour is not a key":                `{"name":"own","colour":1}`,
		"zone must be a time zone that this": `{"name":"own","zone":"Mars/Olympus"}`,
		`"Local" is not`:                     `{"name":"own","zone":"Local"}`,
		`no record class "poems"`:            `{"name":"own","classes":[{"class":"poems"}]}`,
		"keep must have at least one rule":   `{"name":"own"}`,
	} {
		_, err := r.life.PlanPolicy(t.Context(), []byte(document))
		wantKind(t, err, errkind.Invalid, says)
	}
	written := func(version int) []byte {
		p := policy.SOX()
		p.Name, p.Version, p.Keep[0].For = "own", version, calendar.Days(31)
		text, err := json.Marshal(p)
		r.must(err)
		return text
	}
	for _, version := range []int{1, 3} {
		_, err := r.life.PlanPolicy(t.Context(), written(version))
		wantKind(t, err, errkind.Invalid, "the next one is 2")
	}
	r.set(written(2))
	if c := r.set(written(2)); !c.Same || c.Version != 2 {
		t.Errorf("repeated: %+v", c)
	}
	_, err := r.life.PlanSourcePolicy(t.Context(), "ledgers", "nothere")
	wantKind(t, err, errkind.NotFound, "nothere")
	_, err = r.life.SetPolicy(t.Context(), grant(access.BackupRun), written(3))
	wantKind(t, err, errkind.NotAllowed, "does not cover")
	_, err = r.life.SetSourcePolicy(t.Context(), grant(access.PolicyUpdate), "ledgers", "sox")
	wantKind(t, err, errkind.NotAllowed, "does not cover")
}

func TestPolicy_MovingASourceRaisesItsPoints(t *testing.T) {
	r := newRig(t, options{})
	r.backup()
	r.days(1)
	p := r.backup()
	r.set(own(t, daily(100)))
	c := r.move("ledgers", "own")
	if len(c.Sources[0].Points) != 1 || c.Sources[0].Policy != "sox" || c.Action() != access.SourceUpdate {
		t.Errorf("%+v", c)
	}
	if row, err := r.catalog.Point(t.Context(), p.ID); err != nil || !row.RetainUntil.Equal(p.ReceivedAt.AddDate(0, 0, 100)) {
		t.Errorf("%v, %v", row.RetainUntil, err)
	}
	known, records := r.known(), len(r.records())
	if again := r.move("ledgers", "own"); !again.Same || len(r.records()) != records {
		t.Errorf("%+v", again)
	}
	r.recover()
	if d := cmp.Diff(known, r.known()); d != "" {
		t.Error(d)
	}
	if back := r.move("ledgers", "sox"); back.Action() != access.PolicyShorten || back.Sources[0].Spared != 1 {
		t.Errorf("%+v", back)
	}
}

// A source made under a policy of one's own takes it into its vault, also where
// that was made after the policy.
func TestPolicy_ComesIntoTheVaultWithItsSource(t *testing.T) {
	r := newRig(t, options{})
	p := policy.SOX()
	p.Name = "older"
	row, err := custody.PolicyRow(p, r.now)
	r.must(err)
	r.must(r.catalog.CreatePolicy(t.Context(), grant(access.PolicyCreate), row))
	_, err = r.custody.CreateSource(t.Context(), grant(access.SourceCreate), custody.NewSource{Name: "more", Vault: "books", Paths: [][]byte{[]byte(r.folder)}, Policy: "older"})
	r.must(err)
	had, err := custody.RecordedPolicy(r.records(), "older")
	if err != nil || !custody.SamePolicy(had[1], p) {
		t.Errorf("%+v, %v", had, err)
	}
}

// TestPolicy_InterruptedAnywhere stops each change to the store in turn, repeats
// the command, and then loses the catalog.
func TestPolicy_InterruptedAnywhere(t *testing.T) {
	whole := underOwn(t, 3)
	whole.set(own(t, daily(90)))
	want := whole.terms()
	for k := 1; ; k++ {
		r := underOwn(t, 3)
		n := 0
		r.inject(func() bool { n++; return n >= k })
		_, err := r.life.SetPolicy(t.Context(), grant(access.PolicyUpdate), own(t, daily(90)))
		r.driver.SetFault(nil)
		if err == nil {
			if k < 4 {
				t.Errorf("only %d changes to the store", k-1)
			}
			break
		}
		r.recover() // what a lost catalog would come back to
		r.set(own(t, daily(90)))
		if d := cmp.Diff(want, r.terms()); d != "" || r.source().PolicyVersion != 2 {
			t.Errorf("stopped at %d: version %d, %s", k, r.source().PolicyVersion, d)
		}
		if l := r.locks(); l.Short() || len(l.Raise) != 0 {
			t.Errorf("stopped at %d: %+v", k, l)
		}
		known := r.known()
		r.recover()
		if d := cmp.Diff(known, r.known()); d != "" {
			t.Errorf("stopped at %d: %s", k, d)
		}
	}
}

// A change that was recorded and did not reach the catalog keeps its number when
// it is repeated, and gives it up to nothing else.
func TestPolicy_InterruptedBeforeTheCatalog(t *testing.T) {
	for name, next := range map[string]struct {
		days, version int
	}{"repeated": {90, 2}, "another": {95, 3}} {
		r := underOwn(t, 3)
		old := r.known()
		r.interruptSet(access.PolicyUpdate, own(t, daily(90)))
		if d := cmp.Diff(old, r.known()); d != "" {
			t.Errorf("the catalog has it: %s", d)
		}
		c := r.set(own(t, daily(next.days)))
		if c.Version != next.version || r.source().PolicyVersion != next.version {
			t.Errorf("%s: version %d", name, c.Version)
		}
		had, err := custody.RecordedPolicy(r.records(), "own")
		if err != nil || len(had) != next.version || had[2].Keep[0].For != calendar.Days(90) {
			t.Errorf("%s: %+v in the vault, %v", name, had, err)
		}
		if _, err := r.custody.Policy(t.Context(), "own", 2); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPolicy_LongerReachesWhatIsBroughtBack(t *testing.T) {
	for name, c := range map[string]struct {
		remove, restore func(*rig, catalog.Point) error
	}{
		"a point": {
			func(r *rig, p catalog.Point) error {
				_, err := r.life.DeletePoint(t.Context(), grant(access.PointDelete), p.ID, "duplicate")
				return err
			},
			func(r *rig, p catalog.Point) error {
				_, err := r.life.UndeletePoint(t.Context(), grant(access.PointUndelete), p.ID)
				return err
			},
		},
		"a source": {
			func(r *rig, _ catalog.Point) error {
				_, err := r.life.DeleteSource(t.Context(), grant(access.SourceDelete), "ledgers", "sold")
				return err
			},
			func(r *rig, _ catalog.Point) error {
				_, err := r.life.UndeleteSource(t.Context(), grant(access.SourceUndelete), "ledgers")
				return err
			},
		},
	} {
		r := underOwn(t, 3)
		r.switchOff()
		p := r.points()[1]
		r.must(c.remove(r, p))
		r.set(own(t, daily(90)))
		r.must(c.restore(r, p))
		got, err := r.catalog.Point(t.Context(), p.ID)
		r.must(err)
		if got.RetainUntil == nil || got.RetainUntil.Before(p.ReceivedAt.AddDate(0, 0, 90)) {
			t.Errorf("%s is brought back, and its point of %v kept until %v", name, p.ReceivedAt, got.RetainUntil)
		}
	}
}

// interruptSet sets a policy and stops when it is recorded, before the catalog.
func (r *rig) interruptSet(a access.Action, document []byte) {
	r.t.Helper()
	r.driver.SetFault(func(op memblob.Op, _ string) memblob.Fault {
		if op != memblob.OpPut {
			return memblob.Fault{}
		}
		return memblob.Fault{When: memblob.Applied, Err: errInjected}
	})
	_, err := r.life.SetPolicy(r.t.Context(), grant(a), document)
	r.driver.SetFault(nil)
	wantKind(r.t, err, errkind.Internal, "takes it up again")
}

// The vault that has the number may have no source under the policy any more.
func TestPolicy_InterruptedAndGivenUpKeepsItsNumber(t *testing.T) {
	r := underOwn(t, 1)
	r.interruptSet(access.PolicyUpdate, own(t, daily(90)))
	r.move("ledgers", policy.SOX().Name)
	if c := r.set(own(t, daily(95))); c.Version != 3 {
		t.Fatalf("the policy gets number %d", c.Version)
	}
	had, err := custody.RecordedPolicy(r.records(), "own")
	r.must(err)
	for n, days := range map[int]int{2: 90, 3: 95} {
		p, err := r.custody.Policy(t.Context(), "own", n)
		if err != nil || p.Keep[0].For != calendar.Days(days) || had[n].Keep[0].For != calendar.Days(days) {
			t.Errorf("version %d: %+v, in the vault %+v, %v", n, p.Keep, had[n].Keep, err)
		}
	}
}

// Two changes at once exclude each other by the number of their record.
func TestPolicy_TwoChangesAtOnce(t *testing.T) {
	r := underOwn(t, 2)
	r.meanwhile = func() { r.set(own(t, daily(50))) }
	_, err := r.life.SetPolicy(t.Context(), grant(access.PolicyShorten), own(t, daily(10)))
	wantKind(t, err, errkind.Busy, "takes it up again")
	p, err := r.custody.Policy(t.Context(), "own", 0)
	if err != nil || p.Version != 2 || p.Keep[0].For != calendar.Days(50) {
		t.Errorf("%+v, %v", p, err)
	}
	r.set(own(t, daily(10)))
	if s := r.source(); s.PolicyVersion != 3 {
		t.Errorf("version %d", s.PolicyVersion)
	}
}

// What is running decides by the policy that it began with, so a change waits.
func TestPolicy_NoJobOverlaps(t *testing.T) {
	r := underOwn(t, 0)
	var noted string
	err := r.jobs.Alone("policy change", func() error {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		_, err := r.jobs.Verify(ctx, grant(access.VaultVerify), "books", vault.Quick, nil, func(s string) { noted = s; cancel() })
		return err
	})
	wantKind(t, err, errkind.Cancelled, "verification of books waited for policy change; nothing was done")
	if noted != "waits for policy change" {
		t.Errorf("noted %q", noted)
	}
}

// A point that an interrupted run left in storage alone would miss the change.
func TestPolicy_WaitsForPointsOfInterruptedRuns(t *testing.T) {
	r := underOwn(t, 2)
	r.must(r.catalog.DeletePoints(t.Context(), grant("point/purge"), r.points()[1].ID))
	_, err := r.life.SetPolicy(t.Context(), grant(access.PolicyUpdate), own(t, daily(90)))
	wantKind(t, err, errkind.Refused, "backup run ledgers")
	r.backup()
	if len(r.points()) != 3 {
		t.Fatalf("%d points", len(r.points()))
	}
	r.set(own(t, daily(90)))
	for _, p := range r.points()[1:] {
		if p.RetainUntil.Before(p.ReceivedAt.AddDate(0, 0, 90)) {
			t.Errorf("point %d is kept until %v", p.Number, p.RetainUntil)
		}
	}
}
