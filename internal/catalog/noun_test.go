package catalog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

func testVaults(t *testing.T, c *Catalog) {
	ctx := t.Context()
	g := grant(access.VaultCreate)
	b, a := aVault(1), aVault(2)
	b.Name, a.Name = "b", "a"
	must(t, c.CreateVault(ctx, g, b))
	must(t, c.CreateVault(ctx, g, a))
	wantEqual(t, get[[]Vault](t)(c.Vaults(ctx)), []Vault{a, b})
	wantEqual(t, get[Vault](t)(c.Vault(ctx, "b")), b)
	wantEqual(t, get[Vault](t)(c.Vault(ctx, b.ID)), b)
	_, err := c.Vault(ctx, "c")
	wantKind(t, err, errkind.NotFound)
	if !strings.Contains(err.Error(), `"c"`) {
		t.Errorf("the sentence does not name the vault: %v", err)
	}

	same := aVault(3)
	same.Name = "a"
	wantKind(t, c.CreateVault(ctx, g, same), errkind.Exists)
	same.ID, same.Name = a.ID, "other"
	wantKind(t, c.CreateVault(ctx, g, same), errkind.Exists)

	changed := Vault{
		ID: b.ID, Name: "bb", URL: "s3://x", Kind: VaultLocked, CreatedAt: at(9), MinRetention: "P30D", MaxRetention: "P20Y",
		SoftDeleteDays: 30, AssuranceLevel: 3, SigningKey: "k2", Detail: json.RawMessage(`{"x":2}`),
	}
	must(t, c.UpdateVault(ctx, grant(access.VaultUpdate), changed))
	changed.CreatedAt = b.CreatedAt
	wantEqual(t, get[Vault](t)(c.Vault(ctx, b.ID)), changed)
	changed.ID = vaultID(9)
	wantKind(t, c.UpdateVault(ctx, grant(access.VaultUpdate), changed), errkind.NotFound)
	a.Name = "bb"
	wantKind(t, c.UpdateVault(ctx, grant(access.VaultUpdate), a), errkind.Exists)

	a.Name = "recovered"
	must(t, c.ReplaceVault(ctx, grant(access.VaultRecover), a))
	must(t, c.ReplaceVault(ctx, grant(access.VaultRecover), aVault(5)))
	wantEqual(t, get[Vault](t)(c.Vault(ctx, a.ID)).Name, "recovered")
	wantEqual(t, len(get[[]Vault](t)(c.Vaults(ctx))), 3)
}

func testVaultKinds(t *testing.T, c *Catalog) {
	v := aVault(1)
	must(t, c.CreateVault(t.Context(), grant(access.VaultCreate), v))
	v.Kind = VaultLocked
	must(t, c.UpdateVault(t.Context(), grant(access.VaultHarden), v))
	v.Kind = VaultUnlocked
	wantKind(t, c.UpdateVault(t.Context(), grant(access.VaultUpdate), v), errkind.Refused)
	wantEqual(t, get[Vault](t)(c.Vault(t.Context(), v.ID)).Kind, VaultLocked)
}

func testVaultDeleted(t *testing.T, c *Catalog) {
	ctx := t.Context()
	seed(t, c)
	must(t, c.RecordPoint(ctx, grant(access.BackupRun), aPoint(1)))
	other := aPoint(2)
	other.VaultID = vaultID(2)
	must(t, c.RecordPoint(ctx, grant(access.BackupRun), other))
	must(t, c.RecordDamage(ctx, grant(access.VaultVerify), []Damage{{vaultID(1), "packs/1", "gone", at(1)}}))
	must(t, c.DeleteVault(ctx, grant(access.VaultRemove), vaultID(1)))
	wantEqual(t, get[[]Vault](t)(c.Vaults(ctx)), []Vault{aVault(2)})
	wantEqual(t, get[[]Source](t)(c.Sources(ctx)), []Source{})
	wantEqual(t, get[[]Point](t)(c.Points(ctx, PointFilter{})), []Point{other})
	wantEqual(t, get[[]Damage](t)(c.Damages(ctx, "")), []Damage{})
	wantKind(t, c.DeleteVault(ctx, grant(access.VaultRemove), vaultID(1)), errkind.NotFound)
}

func testSources(t *testing.T, c *Catalog) {
	ctx := t.Context()
	seed(t, c)
	a := aSource(2)
	a.Name = "a"
	a.Excludes, a.Classes, a.Detail = nil, nil, nil
	must(t, c.CreateSource(ctx, grant(access.SourceCreate), a))
	wantEqual(t, get[[]Source](t)(c.Sources(ctx)), []Source{a, aSource(1)})
	wantEqual(t, get[Source](t)(c.Source(ctx, "source-1")), aSource(1))
	wantEqual(t, get[Source](t)(c.Source(ctx, id(1))), aSource(1))
	_, err := c.Source(ctx, "nope")
	wantKind(t, err, errkind.NotFound)

	same := aSource(3)
	same.Name = "a"
	wantKind(t, c.CreateSource(ctx, grant(access.SourceCreate), same), errkind.Exists)
	wantKind(t, c.UpdateSource(ctx, grant(access.SourceUpdate), same), errkind.NotFound)

	changed := Source{
		ID: id(1), Name: "new", Kind: SourceFiles, VaultID: vaultID(2), Policy: "sox", PolicyVersion: 1,
		Paths: [][]byte{[]byte("/x")}, CreatedAt: at(50),
	}
	must(t, c.UpdateSource(ctx, grant(access.SourceUpdate), changed))
	changed.CreatedAt = at(0)
	wantEqual(t, get[Source](t)(c.Source(ctx, id(1))), changed)
	changed.Name = "a"
	wantKind(t, c.UpdateSource(ctx, grant(access.SourceUpdate), changed), errkind.Exists)

	must(t, c.DeleteSource(ctx, grant(access.VaultRemove), id(1)))
	wantKind(t, c.DeleteSource(ctx, grant(access.VaultRemove), id(1)), errkind.NotFound)
}

func testSourceNeeds(t *testing.T, c *Catalog) {
	ctx := t.Context()
	seed(t, c)
	s := aSource(2)
	s.VaultID = vaultID(9)
	wantKind(t, c.CreateSource(ctx, grant(access.SourceCreate), s), errkind.NotFound)
	wantKind(t, c.ReplaceSource(ctx, grant(access.VaultRecover), s), errkind.NotFound)
	s = aSource(2)
	s.PolicyVersion = 2
	wantKind(t, c.CreateSource(ctx, grant(access.SourceCreate), s), errkind.NotFound)
	s.ID = id(1)
	wantKind(t, c.UpdateSource(ctx, grant(access.SourceUpdate), s), errkind.NotFound)
	s.ID = id(2)
	must(t, c.ReplaceSource(ctx, grant(access.VaultRecover), s))
	must(t, c.ReplaceSource(ctx, grant(access.VaultRecover), s))
	wantEqual(t, get[Source](t)(c.Source(ctx, s.Name)), s)
}

func testPolicies(t *testing.T, c *Catalog) {
	ctx := t.Context()
	g := grant(access.PolicyCreate)
	wantKind(t, c.CreatePolicy(ctx, g, aPolicy(2)), errkind.Invalid)
	for version := 1; version <= 11; version++ {
		must(t, c.CreatePolicy(ctx, g, aPolicy(version)))
	}
	wantKind(t, c.CreatePolicy(ctx, g, aPolicy(11)), errkind.Exists)
	wantKind(t, c.CreatePolicy(ctx, g, aPolicy(13)), errkind.Invalid)
	first := aPolicy(1)
	first.Name = "article"
	must(t, c.CreatePolicy(ctx, g, first))
	wantEqual(t, get[Policy](t)(c.Policy(ctx, "sox", 0)), aPolicy(11))
	wantEqual(t, get[Policy](t)(c.Policy(ctx, "sox", 2)), aPolicy(2))
	_, err := c.Policy(ctx, "sox", 12)
	wantKind(t, err, errkind.NotFound)
	_, err = c.Policy(ctx, "none", 0)
	wantKind(t, err, errkind.NotFound)
	all := get[[]Policy](t)(c.Policies(ctx))
	wantEqual(t, len(all), 12)
	wantEqual(t, all[:3], []Policy{first, aPolicy(1), aPolicy(2)})

	late := aPolicy(20)
	must(t, c.ReplacePolicy(ctx, grant(access.VaultRecover), late))
	late.Body = json.RawMessage(`{"keep":"31d"}`)
	must(t, c.ReplacePolicy(ctx, grant(access.VaultRecover), late))
	wantEqual(t, get[Policy](t)(c.Policy(ctx, "sox", 0)), late)
}

func testDamage(t *testing.T, c *Catalog) {
	ctx := t.Context()
	seed(t, c)
	g := grant(access.VaultVerify)
	a, b := Damage{vaultID(1), "packs/a", "short", at(1)}, Damage{vaultID(1), "packs/b", "gone", at(2)}
	other := Damage{vaultID(2), "packs/0", "gone", at(2)}
	must(t, c.RecordDamage(ctx, g, []Damage{other, b, a}))
	wantEqual(t, get[[]Damage](t)(c.Damages(ctx, vaultID(1))), []Damage{a, b})
	wantEqual(t, get[[]Damage](t)(c.Damages(ctx, "")), []Damage{a, b, other})

	must(t, c.RecordDamage(ctx, g, []Damage{{vaultID(1), "packs/a", "worse", at(9)}}))
	a.Reason = "worse"
	wantEqual(t, get[[]Damage](t)(c.Damages(ctx, vaultID(1))), []Damage{a, b})

	must(t, c.ReplaceDamage(ctx, g, vaultID(1), []Damage{{vaultID(1), "packs/b", "gone", at(9)}, {vaultID(1), "packs/c", "new", at(9)}}))
	fresh := Damage{vaultID(1), "packs/c", "new", at(9)}
	wantEqual(t, get[[]Damage](t)(c.Damages(ctx, "")), []Damage{b, fresh, other})
	wantKind(t, c.ReplaceDamage(ctx, g, vaultID(1), []Damage{other}), errkind.Invalid)
	wantEqual(t, get[[]Damage](t)(c.Damages(ctx, "")), []Damage{b, fresh, other})

	must(t, c.ClearDamage(ctx, g, vaultID(1)))
	must(t, c.ClearDamage(ctx, g, vaultID(1), "packs/b", "packs/unknown", "packs/0"))
	wantEqual(t, get[[]Damage](t)(c.Damages(ctx, "")), []Damage{fresh, other})
	wantKind(t, c.RecordDamage(ctx, g, []Damage{{vaultID(8), "packs/a", "x", at(1)}}), errkind.NotFound)
}

func testRuns(t *testing.T, c *Catalog) {
	ctx := t.Context()
	g := grant(access.BackupRun)
	one := Run{ID: id(1), Kind: RunBackup, VaultID: vaultID(1), SourceID: id(50), Host: "h", PID: 10, StartedAt: at(1), Detail: json.RawMessage(`[1]`)}
	two := Run{ID: id(2), Kind: RunVerify, VaultID: vaultID(2), Host: "h", PID: 11, StartedAt: at(2)}
	three := Run{ID: id(3), Kind: RunRestore, PointID: id(60), PID: 12, StartedAt: at(2)}
	for _, r := range []Run{three, one, two} {
		must(t, c.BeginRun(ctx, g, r, nil))
	}
	wantKind(t, c.BeginRun(ctx, g, one, nil), errkind.Exists)
	wantEqual(t, get[[]Run](t)(c.Runs(ctx, RunFilter{})), []Run{three, two, one})
	wantEqual(t, get[[]Run](t)(c.Runs(ctx, RunFilter{Limit: 2})), []Run{three, two})
	wantEqual(t, get[[]Run](t)(c.Runs(ctx, RunFilter{Kind: RunVerify})), []Run{two})
	wantEqual(t, get[[]Run](t)(c.Runs(ctx, RunFilter{VaultID: vaultID(1)})), []Run{one})

	end := at(5)
	done := Run{ID: one.ID, PointID: id(61), EndedAt: &end, Result: ResultIncomplete, ErrorKind: "incomplete", Message: "2 files", Detail: json.RawMessage(`{}`)}
	must(t, c.EndRun(ctx, g, done))
	one.PointID, one.EndedAt, one.Result, one.ErrorKind, one.Message, one.Detail = done.PointID, done.EndedAt, done.Result, done.ErrorKind, done.Message, done.Detail
	wantEqual(t, get[[]Run](t)(c.Runs(ctx, RunFilter{SourceID: id(50)})), []Run{one})
	wantEqual(t, get[[]Run](t)(c.Runs(ctx, RunFilter{Unfinished: true})), []Run{three, two})
	wantKind(t, c.EndRun(ctx, g, done), errkind.Exists)
	done.ID = id(9)
	wantKind(t, c.EndRun(ctx, g, done), errkind.NotFound)
}

func testRunsInterrupted(t *testing.T, c *Catalog) {
	ctx := t.Context()
	g := grant(access.BackupRun)
	begin := func(n int, kind RunKind, source, host string, pid int) {
		t.Helper()
		r := Run{ID: id(n), Kind: kind, VaultID: vaultID(1), SourceID: source, Host: host, PID: pid, StartedAt: at(n)}
		must(t, c.BeginRun(ctx, g, r, func(pid int) bool { return pid != 666 }))
	}
	results := func() (s string) {
		t.Helper()
		for _, r := range get[[]Run](t)(c.Runs(ctx, RunFilter{})) {
			s = fmt.Sprintf("%s:%s ", strings.TrimLeft(r.ID[20:], "0"), r.Result) + s
		}
		return strings.TrimSpace(s)
	}
	begin(1, RunBackup, id(50), "h", 666)
	begin(2, RunBackup, id(50), "h", 1)
	begin(3, RunBackup, id(51), "h", 666)
	begin(4, RunBackup, id(50), "elsewhere", 666)
	begin(5, RunVerify, "", "h", 666)
	begin(6, RunRestore, "", "h", 1)
	wantEqual(t, results(), "1:interrupted 2: 3: 4: 5: 6:")
	begin(7, RunDrill, id(50), "h", 1)
	begin(8, RunVerify, "", "h", 1)
	wantEqual(t, results(), "1:interrupted 2: 3: 4: 5:interrupted 6: 7: 8:")
	first := get[[]Run](t)(c.Runs(ctx, RunFilter{SourceID: id(50)}))[3]
	wantEqual(t, *first.EndedAt, at(2))

	end := at(30)
	must(t, c.EndRun(ctx, g, Run{ID: id(1), EndedAt: &end, Result: ResultDone}))
	wantEqual(t, results(), "1:done 2: 3: 4: 5:interrupted 6: 7: 8:")
}

func testOutbox(t *testing.T, c *Catalog) {
	ctx := t.Context()
	body := []byte{0, 0xff, 'x'}
	must(t, c.AddEvent(ctx, "b", at(2), body))
	must(t, c.AddEvent(ctx, "a", at(1), []byte("a")))
	must(t, c.AddEvent(ctx, "c", at(3), []byte("c")))
	must(t, c.AddEvent(ctx, "a", at(1), []byte("a")))
	wantKind(t, c.AddEvent(ctx, "a", at(1), []byte("A")), errkind.Exists)
	got := get[[]PendingEvent](t)(c.PendingEvents(ctx, 2))
	wantEqual(t, got, []PendingEvent{{1, "b", at(2), body}, {2, "a", at(1), []byte("a")}})
	_, err := c.PendingEvents(ctx, 0)
	wantKind(t, err, errkind.Invalid)
	wantKind(t, c.AddEvent(ctx, "d", at(1), nil), errkind.Invalid)
	wantKind(t, c.AddEvent(ctx, "", at(1), body), errkind.Invalid)
	wantKind(t, c.AddEvent(ctx, "d", time.Time{}, body), errkind.Invalid)
}

func testOutboxIntegrated(t *testing.T, c *Catalog) {
	ctx := t.Context()
	for _, id := range []string{"a", "b", "c", "d"} {
		must(t, c.AddEvent(ctx, id, at(1), bytes.Repeat([]byte(id), 10)))
	}
	pending := func() (ids string) {
		t.Helper()
		for _, e := range get[[]PendingEvent](t)(c.PendingEvents(ctx, 10)) {
			ids += e.ID
		}
		return ids
	}
	must(t, c.MarkIntegrated(ctx, nil, 0))
	must(t, c.MarkIntegrated(ctx, []int64{1, 2}, 7))
	must(t, c.MarkIntegrated(ctx, []int64{1, 2}, 7))
	wantEqual(t, pending(), "cd")
	for name, call := range map[string]func() error{
		"elsewhere": func() error { return c.MarkIntegrated(ctx, []int64{3, 1}, 9) },
		"unknown":   func() error { return c.MarkIntegrated(ctx, []int64{3, 99}, 9) },
		"taken":     func() error { return c.MarkIntegrated(ctx, []int64{3, 4}, 6) },
	} {
		if call() == nil {
			t.Errorf("%s: no error", name)
		}
		wantEqual(t, pending(), "cd")
	}
	// An event in the log is still recognised.
	must(t, c.AddEvent(ctx, "a", at(1), bytes.Repeat([]byte("a"), 10)))
	wantKind(t, c.AddEvent(ctx, "a", at(1), []byte("other")), errkind.Exists)
	must(t, c.MarkIntegrated(ctx, []int64{3, 4}, 9))
	wantEqual(t, pending(), "")
	// A log taken up from a copy may lack the last ones, whose places are free then.
	wantEqual(t, get[int64](t)(c.LogSize(ctx)), int64(11))
	wantEqual(t, get[int64](t)(c.ForgetEvents(ctx, 9)), int64(2))
	wantEqual(t, get[int64](t)(c.LogSize(ctx)), int64(9))
	must(t, c.AddEvent(ctx, "e", at(1), []byte("e")))
	fresh := get[[]PendingEvent](t)(c.PendingEvents(ctx, 1))
	must(t, c.MarkIntegrated(ctx, []int64{fresh[0].Seq}, 9))
}

func testSettings(t *testing.T, c *Catalog) {
	ctx := t.Context()
	g := grant(serverInit)
	_, err := c.Setting(ctx, "server_id")
	wantKind(t, err, errkind.NotFound)
	wantEqual(t, get[string](t)(c.EnsureSetting(ctx, g, "server_id", "one")), "one")
	wantEqual(t, get[string](t)(c.EnsureSetting(ctx, g, "server_id", "two")), "one")
	must(t, c.SetSetting(ctx, g, "server_id", "three"))
	must(t, c.SetSetting(ctx, g, "empty", ""))
	wantEqual(t, get[string](t)(c.Setting(ctx, "server_id")), "three")
	wantEqual(t, get[string](t)(c.Setting(ctx, "empty")), "")
	wantKind(t, c.SetSetting(ctx, g, "", "x"), errkind.Invalid)
}
