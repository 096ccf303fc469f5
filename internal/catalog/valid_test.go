package catalog

import (
	"strings"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// testInvalid breaks one field at a time.
func testInvalid(t *testing.T, c *Catalog) {
	ctx := t.Context()
	seed(t, c)
	vaults := map[string]func(v *Vault){
		"id": func(v *Vault) { v.ID = "x" }, "upper-case id": func(v *Vault) { v.ID = strings.Repeat("A", 32) },
		"no name": func(v *Vault) { v.Name = "" }, "name like an id": func(v *Vault) { v.Name = vaultID(5) },
		"control": func(v *Vault) { v.Name = "a\nb" }, "bytes": func(v *Vault) { v.Name = "a\xff" },
		"long": func(v *Vault) { v.Name = strings.Repeat("a", 201) }, "dash": func(v *Vault) { v.Name = "-v" },
		"space": func(v *Vault) { v.Name = "a " }, "latest": func(v *Vault) { v.Name = "latest" },
		"url": func(v *Vault) { v.URL = "" }, "kind": func(v *Vault) { v.Kind = "soft" },
		"time": func(v *Vault) { v.CreatedAt = time.Time{} }, "period": func(v *Vault) { v.MinRetention = "7 days" },
		"level": func(v *Vault) { v.AssuranceLevel = 4 }, "soft delete": func(v *Vault) { v.SoftDeleteDays = -1 },
		"detail": func(v *Vault) { v.Detail = []byte("{") },
	}
	for name, spoil := range vaults {
		v := aVault(7)
		spoil(&v)
		t.Run("vault "+name, func(t *testing.T) { wantKind(t, c.CreateVault(ctx, grant(access.VaultCreate), v), errkind.Invalid) })
	}
	sources := map[string]func(s *Source){
		"id": func(s *Source) { s.ID = strings.ToLower(id(1)) }, "name like an id": func(s *Source) { s.Name = id(7) },
		"kind": func(s *Source) { s.Kind = "tape" }, "no paths": func(s *Source) { s.Paths = nil },
		"empty path": func(s *Source) { s.Paths = [][]byte{{}} }, "policy": func(s *Source) { s.PolicyVersion = 0 },
		"pattern": func(s *Source) { s.Excludes = []string{"\xff"} }, "class": func(s *Source) { s.Classes = []string{"A B"} },
		"size": func(s *Source) { s.ExcludeLarger = -1 }, "rpo": func(s *Source) { s.RPO = "P" },
	}
	for name, spoil := range sources {
		s := aSource(7)
		spoil(&s)
		t.Run("source "+name, func(t *testing.T) { wantKind(t, c.CreateSource(ctx, grant(access.SourceCreate), s), errkind.Invalid) })
	}
	points := map[string]func(p *Point){
		"id": func(p *Point) { p.ID = "8" + id(1)[1:] }, "letter": func(p *Point) { p.ID = "01KQ000000000000000000000U" },
		"source": func(p *Point) { p.SourceID = "" }, "number": func(p *Point) { p.Number = 0 },
		"received": func(p *Point) { p.ReceivedAt = time.Time{} }, "tag": func(p *Point) { p.Tags = []string{"on demand"} },
		"state": func(p *Point) { p.State = "x" }, "level": func(p *Point) { p.Level = "x" }, "root": func(p *Point) { p.Root = "abc" },
		"manifest": func(p *Point) { p.ManifestSHA256 = strings.Repeat("G", 64) }, "size": func(p *Point) { p.Size = -1 },
		"reasons": func(p *Point) { p.Reasons = []byte("no") }, "term": func(p *Point) { p.RetainUntil = &time.Time{} },
	}
	for name, spoil := range points {
		p := aPoint(7)
		spoil(&p)
		t.Run("point "+name, func(t *testing.T) { wantKind(t, c.RecordPoint(ctx, grant(access.BackupRun), p), errkind.Invalid) })
	}
	testInvalidRest(t, c)
}

func testInvalidRest(t *testing.T, c *Catalog) {
	ctx := t.Context()
	end := at(1)
	for name, err := range map[string]error{
		"policy version": c.CreatePolicy(ctx, grant(access.PolicyCreate), Policy{Name: "p", Body: []byte("{}"), CreatedAt: at(1)}),
		"policy body":    c.CreatePolicy(ctx, grant(access.PolicyCreate), Policy{Name: "p", Version: 1, CreatedAt: at(1)}),
		"damage object":  c.RecordDamage(ctx, grant(access.VaultVerify), []Damage{{VaultID: vaultID(1), FoundAt: at(1)}}),
		"damage time":    c.RecordDamage(ctx, grant(access.VaultVerify), []Damage{{VaultID: vaultID(1), Object: "x"}}),
		"run kind":       c.BeginRun(ctx, grant(access.BackupRun), Run{ID: id(1), Kind: "nap", StartedAt: at(1)}, nil),
		"run id":         c.BeginRun(ctx, grant(access.BackupRun), Run{Kind: RunBackup, StartedAt: at(1)}, nil),
		"run result":     c.EndRun(ctx, grant(access.BackupRun), Run{ID: id(1), EndedAt: &end, Result: "great"}),
		"run end":        c.EndRun(ctx, grant(access.BackupRun), Run{ID: id(1), Result: ResultDone}),
		"run error kind": c.EndRun(ctx, grant(access.BackupRun), Run{ID: id(1), EndedAt: &end, Result: ResultFailed, ErrorKind: "oops"}),
	} {
		t.Run(name, func(t *testing.T) { wantKind(t, err, errkind.Invalid) })
	}
}

func TestDollarMarks(t *testing.T) {
	for query, want := range map[string]string{
		"SELECT 1":                              "SELECT 1",
		"a = ? AND b = ?":                       "a = $1 AND b = $2",
		`a = '?' AND "b?" = ? AND c = 'it''s?'`: `a = '?' AND "b?" = $1 AND c = 'it''s?'`,
		insert("t", "a, b, c"):                  "INSERT INTO t (a, b, c) VALUES ($1, $2, $3)",
	} {
		wantEqual(t, dollarMarks(query), want)
		wantEqual(t, questionMarks(query), query)
	}
}
