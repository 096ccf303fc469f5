package catalog

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestMain lets tests start this binary again as another process.
func TestMain(m *testing.M) {
	if role := os.Getenv("COUNTERFOIL_CATALOG_CHILD"); role != "" {
		if err := child(role); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestSQLite runs the suite that every database must pass.
func TestSQLite(t *testing.T) {
	testCatalog(t, func(t *testing.T) *Catalog {
		return openAt(t, filepath.Join(t.TempDir(), "catalog.db"))
	})
}

// testCatalog is the suite; open gives an empty catalog each time.
func testCatalog(t *testing.T, open func(t *testing.T) *Catalog) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, c *Catalog)
	}{
		{"Vaults", testVaults},
		{"VaultKinds", testVaultKinds},
		{"VaultDeleted", testVaultDeleted},
		{"Sources", testSources},
		{"SourceNeeds", testSourceNeeds},
		{"Policies", testPolicies},
		{"PointRoundTrip", testPointRoundTrip},
		{"PointRecordedAgain", testPointRecordedAgain},
		{"PointTermRoundedUp", testPointTermRoundedUp},
		{"PointLists", testPointLists},
		{"PointReferences", testPointReferences},
		{"PointLatest", testPointLatest},
		{"PointMarks", testPointMarks},
		{"PointsReplaced", testPointsReplaced},
		{"Damage", testDamage},
		{"Runs", testRuns},
		{"RunsInterrupted", testRunsInterrupted},
		{"Jobs", testJobs},
		{"JobsCancelled", testJobsCancelled},
		{"JobsLeasedOnce", testJobsLeasedOnce},
		{"Outbox", testOutbox},
		{"OutboxIntegrated", testOutboxIntegrated},
		{"Settings", testSettings},
		{"ChangeTogether", testChangeTogether},
		{"ChangePanics", testChangePanics},
		{"Reset", testReset},
		{"Grants", testGrants},
		{"Invalid", testInvalid},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

func openAt(t *testing.T, path string) *Catalog {
	t.Helper()
	c, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return c
}

// at gives an instant n minutes into the tests' day.
func at(n int) time.Time { return time.Date(2026, 3, 31, 12, n, 0, 123000, time.UTC) }

func grant(a access.Action) access.Grant { return access.Issue(a, "", "tester", "", at(0)) }

// id gives the n-th ULID; ids ascend with n.
func id(n int) string { return fmt.Sprintf("01KQ0000000000000000000%03d", n) }

func vaultID(n int) string { return fmt.Sprintf("%032x", n) }

func aVault(n int) Vault {
	return Vault{
		ID: vaultID(n), Name: fmt.Sprintf("vault-%d", n), URL: "file:///srv/vault", Kind: VaultUnlocked, CreatedAt: at(0),
		MinRetention: "P7D", MaxRetention: "P12Y", SoftDeleteDays: 14, AssuranceLevel: 1, SigningKey: "ed25519:AAAA",
		Detail: json.RawMessage(`{"x":1}`),
	}
}

func aSource(n int) Source {
	return Source{
		ID: id(n), Name: fmt.Sprintf("source-%d", n), Kind: SourceFiles, VaultID: vaultID(1), Policy: "sox", PolicyVersion: 1,
		Paths: [][]byte{[]byte("/srv/ledgers"), []byte("/srv/\xff\n")}, Excludes: []string{"*.tmp", "!é"}, ExcludeLarger: 1 << 40,
		ExcludeCaches: true, OneFileSystem: true, Classes: []string{"ledger"}, Owner: "ann", Criticality: "high",
		RPO: "PT24H", RTO: "PT4H", Sensitivity: "confidential", CreatedAt: at(0), Detail: json.RawMessage(`{}`),
	}
}

func aPolicy(version int) Policy {
	return Policy{Name: "sox", Version: version, Body: json.RawMessage(`{"keep":"30d"}`), CreatedAt: at(version)}
}

// aPoint gives the n-th point of the first source, received at minute n.
func aPoint(n int) Point {
	until := at(0).AddDate(10, 0, 0)
	return Point{
		ID: id(100 + n), VaultID: vaultID(1), SourceID: id(1), Number: int64(n), ReceivedAt: at(n), StartedAt: at(n - 1),
		Term: Term{RetainUntil: &until, Tags: []string{"daily", "yearly"}, Reasons: json.RawMessage(`[{"rule":"yearly"}]`)},
		Size: 1 << 45, Stored: 7, Files: 3, Dirs: 2, Entries: 6, Complete: true, Fuzzy: 1, Problems: 0,
		State: PointProtected, StateAt: at(n), Level: LevelStored, LevelAt: at(n),
		Root: fmt.Sprintf("%064x", n), ManifestSHA256: fmt.Sprintf("%064x", n+1), Detail: json.RawMessage(`{"previous":null}`),
	}
}

// seed adds two vaults, a policy and a source.
func seed(t *testing.T, c *Catalog) {
	t.Helper()
	must(t, c.CreateVault(t.Context(), grant(access.VaultCreate), aVault(1)))
	must(t, c.CreateVault(t.Context(), grant(access.VaultCreate), aVault(2)))
	must(t, c.CreatePolicy(t.Context(), grant(access.PolicyCreate), aPolicy(1)))
	must(t, c.CreateSource(t.Context(), grant(access.SourceCreate), aSource(1)))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// get gives a function's value or fails the test.
func get[T any](t *testing.T) func(v T, err error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		must(t, err)
		return v
	}
}

func wantKind(t *testing.T, err error, kind errkind.Kind) {
	t.Helper()
	if !errkind.Is(err, kind) {
		t.Fatalf("got %v (%v), want an error of kind %v", err, errkind.Of(err), kind)
	}
}

func wantEqual(t *testing.T, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("(-want +got)\n%s", diff)
	}
}

func testChangeTogether(t *testing.T, c *Catalog) {
	ctx := t.Context()
	event := &PendingEvent{ID: "e1", At: at(1), Body: []byte("vault created")}
	boom := errors.New("boom")
	err := c.Change(ctx, grant(access.VaultCreate), event, func(tx *Tx) error {
		must(t, tx.CreateVault(ctx, grant(access.VaultCreate), aVault(1)))
		if _, err := tx.Vault(ctx, "vault-1"); err != nil {
			t.Errorf("the transaction does not see its own write: %v", err)
		}
		if _, err := c.Vault(ctx, "vault-1"); !errkind.Is(err, errkind.NotFound) {
			t.Errorf("others see a write that is not committed: %v", err)
		}
		return boom
	})
	if !errors.Is(err, boom) {
		t.Fatalf("got %v, want the function's own error", err)
	}
	wantEqual(t, get[[]Vault](t)(c.Vaults(ctx)), []Vault{})
	wantEqual(t, get[[]PendingEvent](t)(c.PendingEvents(ctx, 10)), []PendingEvent{})

	must(t, c.Change(ctx, grant(access.VaultCreate), event, func(tx *Tx) error {
		return tx.CreateVault(ctx, grant(access.VaultCreate), aVault(1))
	}))
	wantEqual(t, get[[]Vault](t)(c.Vaults(ctx)), []Vault{aVault(1)})
	wantEqual(t, len(get[[]PendingEvent](t)(c.PendingEvents(ctx, 10))), 1)

	other := &PendingEvent{ID: "e1", At: at(1), Body: []byte("something else")}
	err = c.Change(ctx, grant(access.VaultCreate), other, func(tx *Tx) error {
		return tx.CreateVault(ctx, grant(access.VaultCreate), aVault(2))
	})
	wantKind(t, err, errkind.Exists)
	wantEqual(t, get[[]Vault](t)(c.Vaults(ctx)), []Vault{aVault(1)})
	must(t, c.Change(ctx, grant(access.VaultCreate), nil, func(*Tx) error { return nil }))
}

func testChangePanics(t *testing.T, c *Catalog) {
	ctx := t.Context()
	func() {
		defer func() { _ = recover() }()
		_ = c.Change(ctx, grant(access.VaultCreate), nil, func(tx *Tx) error {
			must(t, tx.CreateVault(ctx, grant(access.VaultCreate), aVault(1)))
			panic("bug")
		})
	}()
	wantEqual(t, get[[]Vault](t)(c.Vaults(ctx)), []Vault{})
	must(t, c.CreateVault(ctx, grant(access.VaultCreate), aVault(1)))
}

func testReset(t *testing.T, c *Catalog) {
	ctx := t.Context()
	seed(t, c)
	must(t, c.RecordPoint(ctx, grant(access.BackupRun), aPoint(1)))
	must(t, c.RecordDamage(ctx, grant(access.VaultVerify), []Damage{{vaultID(1), "packs/1", "gone", at(1)}}))
	must(t, c.BeginRun(ctx, grant(access.BackupRun), Run{ID: id(1), Kind: RunBackup, StartedAt: at(1)}, nil))
	must(t, c.AddEvent(ctx, "e1", at(1), []byte("x")))
	must(t, c.SetSetting(ctx, grant(serverInit), "server_id", "s"))

	must(t, c.Reset(ctx, grant(access.VaultRecover)))

	wantEqual(t, get[[]Vault](t)(c.Vaults(ctx)), []Vault{})
	wantEqual(t, get[[]Source](t)(c.Sources(ctx)), []Source{})
	wantEqual(t, get[[]Policy](t)(c.Policies(ctx)), []Policy{})
	wantEqual(t, get[[]Point](t)(c.Points(ctx, PointFilter{})), []Point{})
	wantEqual(t, get[[]Damage](t)(c.Damages(ctx, "")), []Damage{})
	wantEqual(t, len(get[[]PendingEvent](t)(c.PendingEvents(ctx, 10))), 1)
	wantEqual(t, len(get[[]Run](t)(c.Runs(ctx, RunFilter{}))), 1)
	wantEqual(t, get[string](t)(c.Setting(ctx, "server_id")), "s")
}

// testGrants calls every mutating method with no grant and with one for
// something else.
func testGrants(t *testing.T, c *Catalog) {
	ctx := t.Context()
	for name, call := range map[string]func(g access.Grant) error{
		"Reset":         func(g access.Grant) error { return c.Reset(ctx, g) },
		"CreateVault":   func(g access.Grant) error { return c.CreateVault(ctx, g, aVault(1)) },
		"UpdateVault":   func(g access.Grant) error { return c.UpdateVault(ctx, g, aVault(1)) },
		"ReplaceVault":  func(g access.Grant) error { return c.ReplaceVault(ctx, g, aVault(1)) },
		"DeleteVault":   func(g access.Grant) error { return c.DeleteVault(ctx, g, vaultID(1)) },
		"CreateSource":  func(g access.Grant) error { return c.CreateSource(ctx, g, aSource(1)) },
		"UpdateSource":  func(g access.Grant) error { return c.UpdateSource(ctx, g, aSource(1)) },
		"ReplaceSource": func(g access.Grant) error { return c.ReplaceSource(ctx, g, aSource(1)) },
		"DeleteSource":  func(g access.Grant) error { return c.DeleteSource(ctx, g, id(1)) },
		"CreatePolicy":  func(g access.Grant) error { return c.CreatePolicy(ctx, g, aPolicy(1)) },
		"ReplacePolicy": func(g access.Grant) error { return c.ReplacePolicy(ctx, g, aPolicy(1)) },
		"RecordPoint":   func(g access.Grant) error { return c.RecordPoint(ctx, g, aPoint(1)) },
		"ReplacePoints": func(g access.Grant) error { return c.ReplacePoints(ctx, g, vaultID(1), nil) },
		"SetPointTerm":  func(g access.Grant) error { return c.SetPointTerm(ctx, g, id(1), Term{}) },
		"SetPointLevel": func(g access.Grant) error { return c.SetPointLevel(ctx, g, id(1), LevelStored, at(1)) },
		"SetPointState": func(g access.Grant) error { return c.SetPointState(ctx, g, id(1), PointPurged, at(1)) },
		"DeletePoints":  func(g access.Grant) error { return c.DeletePoints(ctx, g, id(1)) },
		"RecordDamage":  func(g access.Grant) error { return c.RecordDamage(ctx, g, nil) },
		"ReplaceDamage": func(g access.Grant) error { return c.ReplaceDamage(ctx, g, vaultID(1), nil) },
		"ClearDamage":   func(g access.Grant) error { return c.ClearDamage(ctx, g, vaultID(1)) },
		"BeginRun":      func(g access.Grant) error { return c.BeginRun(ctx, g, Run{}, nil) },
		"EndRun":        func(g access.Grant) error { return c.EndRun(ctx, g, Run{}) },
		"SetSetting":    func(g access.Grant) error { return c.SetSetting(ctx, g, "a", "b") },
		"EnsureSetting": func(g access.Grant) error { _, err := c.EnsureSetting(ctx, g, "a", "b"); return err },
	} {
		t.Run(name, func(t *testing.T) {
			wantKind(t, call(access.Grant{}), errkind.NotAllowed)
			wantKind(t, call(grant("audit/list")), errkind.NotAllowed)
		})
	}
	wantKind(t, c.Change(ctx, access.Grant{}, nil, func(*Tx) error { return nil }), errkind.NotAllowed)
	_, err := SetAside(access.Grant{}, "nowhere", at(1))
	wantKind(t, err, errkind.NotAllowed)
}
