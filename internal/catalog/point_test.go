package catalog

import (
	"strings"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

func numbers(points []Point) []int64 {
	var n []int64
	for _, p := range points {
		n = append(n, p.Number)
	}
	return n
}

func testPointRoundTrip(t *testing.T, c *Catalog) {
	ctx := t.Context()
	seed(t, c)
	full := aPoint(1)
	must(t, c.RecordPoint(ctx, grant(access.BackupRun), full))
	wantEqual(t, get[Point](t)(c.Point(ctx, full.ID)), full)

	bare := Point{ID: id(200), VaultID: vaultID(1), SourceID: id(99), Number: 1, ReceivedAt: at(2), StartedAt: time.Unix(-9, 5000).UTC()}
	must(t, c.RecordPoint(ctx, grant(access.BackupRun), bare))
	got := get[Point](t)(c.Point(ctx, bare.ID))
	bare.State, bare.StateAt, bare.Level, bare.LevelAt = PointProtected, at(2), LevelStored, at(2)
	wantEqual(t, got, bare)
	if got.Tags == nil {
		t.Error("tags are nil, which would print as null")
	}
	bare.ID, bare.VaultID = id(201), vaultID(9)
	wantKind(t, c.RecordPoint(ctx, grant(access.BackupRun), bare), errkind.NotFound)
}

func testPointRecordedAgain(t *testing.T, c *Catalog) {
	ctx := t.Context()
	seed(t, c)
	g := grant(access.BackupRun)
	p := aPoint(1)
	must(t, c.RecordPoint(ctx, g, p))
	later := p.RetainUntil.AddDate(1, 0, 0)
	longer := Term{RetainUntil: &later, Tags: []string{"close"}, Reasons: []byte(`["event"]`)}
	must(t, c.SetPointTerm(ctx, grant(pointUpdate), p.ID, longer))
	must(t, c.SetPointLevel(ctx, grant(access.VaultVerify), p.ID, LevelVerified, at(20)))
	must(t, c.SetPointState(ctx, grant(access.PointDelete), p.ID, PointSoftDeleted, at(21)))

	replay := p
	replay.State, replay.Level, replay.StateAt, replay.LevelAt = "", "", time.Time{}, time.Time{}
	replay.Size = 99
	must(t, c.RecordPoint(ctx, g, replay))
	want := replay
	want.Term, want.State, want.StateAt, want.Level, want.LevelAt = longer, PointSoftDeleted, at(21), LevelVerified, at(20)
	wantEqual(t, get[Point](t)(c.Point(ctx, p.ID)), want)

	replay.Unlimited, replay.RetainUntil = true, nil
	must(t, c.RecordPoint(ctx, g, replay))
	got := get[Point](t)(c.Point(ctx, p.ID))
	wantEqual(t, got.Term, replay.Term)
	replay.Term = longer
	must(t, c.RecordPoint(ctx, g, replay))
	wantEqual(t, get[Point](t)(c.Point(ctx, p.ID)).Unlimited, true)
	wantEqual(t, len(get[[]Point](t)(c.Points(ctx, PointFilter{}))), 1)
}

func testPointTermRoundedUp(t *testing.T, c *Catalog) {
	ctx := t.Context()
	seed(t, c)
	p := aPoint(1)
	until := time.Date(2036, 1, 1, 0, 0, 0, 1, time.UTC)
	p.RetainUntil = &until
	must(t, c.RecordPoint(ctx, grant(access.BackupRun), p))
	got := get[Point](t)(c.Point(ctx, p.ID)).RetainUntil
	wantEqual(t, *got, time.Date(2036, 1, 1, 0, 0, 0, 1000, time.UTC))
}

func testPointLists(t *testing.T, c *Catalog) {
	ctx := t.Context()
	seed(t, c)
	g := grant(access.BackupRun)
	for _, n := range []int{2, 1, 5, 3, 4} {
		p := aPoint(n)
		if n == 5 {
			p.ReceivedAt = at(4) // the same instant as number 4
		}
		must(t, c.RecordPoint(ctx, g, p))
	}
	other := aPoint(6)
	other.SourceID, other.VaultID = id(2), vaultID(2)
	must(t, c.RecordPoint(ctx, g, other))
	must(t, c.SetPointState(ctx, grant(access.PointExpire), aPoint(2).ID, PointPurged, at(9)))
	must(t, c.SetPointState(ctx, grant(access.PointDelete), aPoint(3).ID, PointSoftDeleted, at(9)))

	for _, test := range []struct {
		name   string
		filter PointFilter
		want   []int64
	}{
		{"newest first", PointFilter{}, []int64{6, 5, 4, 3, 2, 1}},
		{"oldest first", PointFilter{Order: OldestFirst}, []int64{1, 2, 3, 4, 5, 6}},
		{"limit", PointFilter{Limit: 2}, []int64{6, 5}},
		{"oldest limit", PointFilter{Limit: 2, Order: OldestFirst}, []int64{1, 2}},
		{"source", PointFilter{SourceID: id(2)}, []int64{6}},
		{"vault", PointFilter{VaultID: vaultID(1)}, []int64{5, 4, 3, 2, 1}},
		{"since includes", PointFilter{Since: at(4)}, []int64{6, 5, 4}},
		{"until excludes", PointFilter{Until: at(4)}, []int64{3, 2, 1}},
		{"since below a microsecond", PointFilter{Since: at(4).Add(1)}, []int64{6}},
		{"until below a microsecond", PointFilter{Until: at(4).Add(1)}, []int64{5, 4, 3, 2, 1}},
		{"states", PointFilter{States: []PointState{PointPurged, PointSoftDeleted}}, []int64{3, 2}},
		{"all at once", PointFilter{
			SourceID: id(1), VaultID: vaultID(1), Since: at(1), Until: at(5), States: []PointState{PointProtected}, Limit: 2, Order: OldestFirst,
		}, []int64{1, 4}},
		{"none", PointFilter{SourceID: id(77)}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			wantEqual(t, numbers(get[[]Point](t)(c.Points(ctx, test.filter))), test.want)
		})
	}
	wantEqual(t, numbers(get[[]Point](t)(c.History(ctx, id(1)))), []int64{1, 3, 4, 5})
}

func testPointReferences(t *testing.T, c *Catalog) {
	ctx := t.Context()
	seed(t, c)
	for n, pointID := range []string{
		"01AAAAAAAAAAAAAAAAAAAAAAAA", "01AAAAAAAAAAAAAAAAAAAAAAAB", "01AAAAAAAAAAAAAAAAAAAAAZZZ", "01AAAAAAAAAAAAAAAAAAAABAAA", "02ZZZZZZZZZZZZZZZZZZZZZZZZ",
	} {
		p := aPoint(n + 1)
		p.ID = pointID
		must(t, c.RecordPoint(ctx, grant(access.BackupRun), p))
	}
	for _, test := range []struct {
		ref  string
		want int64
		kind errkind.Kind
		says string
	}{
		{ref: "01AAAAAAAAAAAAAAAAAAAAAAAA", want: 1},
		{ref: "01AAAAAAAAAAAAAAAAAAAAAZ", want: 3},
		{ref: "01aaaaaaaaaaaaaaaaaaaaaz", want: 3},
		{ref: "01AAAAAAAAAAAAAAAAAAAAB", want: 4},
		{ref: "02", want: 5},
		{ref: "02ZZZZZZZZZZZZZZZZZZZZZZZZ", want: 5},
		{ref: "01", kind: errkind.Invalid, says: "01AAAAAAAAAAAAAAAAAAAAAAAA, 01AAAAAAAAAAAAAAAAAAAAAAAB, 01AAAAAAAAAAAAAAAAAAAAAZZZ, ..."},
		{ref: "01AAAAAAAAAAAAAAAAAAAAAA", kind: errkind.Invalid, says: "01AAAAAAAAAAAAAAAAAAAAAAAA, 01AAAAAAAAAAAAAAAAAAAAAAAB;"},
		{ref: "03", kind: errkind.NotFound, says: `no recovery point "03"`},
		{ref: "", kind: errkind.Invalid},
		{ref: "%", kind: errkind.Invalid},
		{ref: "0_", kind: errkind.Invalid},
		{ref: "ledgers", kind: errkind.Invalid, says: "latest:SOURCE"},
		{ref: strings.Repeat("0", 27), kind: errkind.Invalid},
	} {
		t.Run(test.ref, func(t *testing.T) {
			p, err := c.Point(ctx, test.ref)
			if test.want > 0 {
				must(t, err)
				wantEqual(t, p.Number, test.want)
				return
			}
			wantKind(t, err, test.kind)
			if !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %q, want it to say %q", err, test.says)
			}
		})
	}
}

func testPointLatest(t *testing.T, c *Catalog) {
	ctx := t.Context()
	_, err := c.Point(ctx, "latest")
	wantKind(t, err, errkind.NotFound)
	seed(t, c)
	must(t, c.CreateSource(ctx, grant(access.SourceCreate), aSource(2)))
	_, err = c.Point(ctx, "latest:source-1")
	wantKind(t, err, errkind.NotFound)
	for n := 1; n <= 4; n++ {
		must(t, c.RecordPoint(ctx, grant(access.BackupRun), aPoint(n)))
	}
	other := aPoint(9)
	other.SourceID = id(77) // no such source any more
	must(t, c.RecordPoint(ctx, grant(access.BackupRun), other))
	must(t, c.SetPointState(ctx, grant(access.PointDelete), aPoint(4).ID, PointSoftDeleted, at(30)))
	must(t, c.SetPointState(ctx, grant(pointUpdate), aPoint(3).ID, PointStopped, at(30)))

	for ref, want := range map[string]int64{"latest": 9, "latest:source-1": 3, "latest:" + id(1): 3, "latest:" + id(77): 9} {
		wantEqual(t, get[Point](t)(c.Point(ctx, ref)).Number, want)
	}
	for _, ref := range []string{"latest:", "latest:nobody", "latest:" + id(78), "latest:source-2"} {
		_, err := c.Point(ctx, ref)
		wantKind(t, err, errkind.NotFound)
	}
}

func testPointMarks(t *testing.T, c *Catalog) {
	ctx := t.Context()
	seed(t, c)
	p := aPoint(1)
	must(t, c.RecordPoint(ctx, grant(access.BackupRun), p))
	must(t, c.SetPointLevel(ctx, grant(drillRun), p.ID, LevelRestored, at(5)))
	must(t, c.SetPointState(ctx, grant(access.PointDelete), p.ID, PointStopped, at(6)))
	must(t, c.SetPointTerm(ctx, grant(access.HoldPlace), p.ID, Term{Unlimited: true, Tags: []string{"close"}}))
	p.Level, p.LevelAt, p.State, p.StateAt, p.Term = LevelRestored, at(5), PointStopped, at(6), Term{Unlimited: true, Tags: []string{"close"}}
	wantEqual(t, get[Point](t)(c.Point(ctx, p.ID)), p)

	wantKind(t, c.SetPointLevel(ctx, grant(drillRun), p.ID, "excellent", at(5)), errkind.Invalid)
	wantKind(t, c.SetPointState(ctx, grant(access.PointDelete), p.ID, "gone", at(5)), errkind.Invalid)
	wantKind(t, c.SetPointTerm(ctx, grant(access.HoldPlace), p.ID, Term{Tags: []string{"Daily"}}), errkind.Invalid)
	wantKind(t, c.SetPointLevel(ctx, grant(drillRun), id(9), LevelRestored, at(5)), errkind.NotFound)
	wantKind(t, c.SetPointState(ctx, grant(access.PointDelete), id(9), PointStopped, at(5)), errkind.NotFound)
	wantKind(t, c.SetPointTerm(ctx, grant(access.HoldPlace), id(9), Term{}), errkind.NotFound)

	must(t, c.RecordPoint(ctx, grant(access.BackupRun), aPoint(2)))
	must(t, c.RecordPoint(ctx, grant(access.BackupRun), aPoint(3)))
	must(t, c.DeletePoints(ctx, grant(pointPurge), aPoint(1).ID, id(9), aPoint(3).ID))
	wantEqual(t, numbers(get[[]Point](t)(c.Points(ctx, PointFilter{}))), []int64{2})
}

func testPointsReplaced(t *testing.T, c *Catalog) {
	ctx := t.Context()
	seed(t, c)
	for n := 1; n <= 3; n++ {
		must(t, c.RecordPoint(ctx, grant(access.BackupRun), aPoint(n)))
	}
	other := aPoint(8)
	other.VaultID = vaultID(2)
	must(t, c.RecordPoint(ctx, grant(access.BackupRun), other))
	wrong := []Point{aPoint(4), other}
	wantKind(t, c.ReplacePoints(ctx, grant(access.VaultRecover), vaultID(1), wrong), errkind.Invalid)
	wantEqual(t, numbers(get[[]Point](t)(c.Points(ctx, PointFilter{}))), []int64{8, 3, 2, 1})
	must(t, c.ReplacePoints(ctx, grant(access.VaultRecover), vaultID(1), []Point{aPoint(4), aPoint(2)}))
	wantEqual(t, numbers(get[[]Point](t)(c.Points(ctx, PointFilter{}))), []int64{8, 4, 2})
}
