package access

import (
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func allowed(t *testing.T, name RoleName, a Action) bool {
	t.Helper()
	r, ok := FindRole(name)
	if !ok {
		t.Fatalf("no role %s", name)
	}
	return r.Allows(a)
}

func TestRoles_MayAndMayNot(t *testing.T) {
	for _, c := range []struct {
		role RoleName
		may  []Action
		not  []Action
	}{
		{BackupReader, []Action{"point/list", "policy/show"}, []Action{PointRead, BackupRun, AuditRead, RestoreRun, PolicyCreate}},
		{
			BackupOperator, []Action{BackupRun, RestoreRun, SourceCreate, LockRaise, CommitFinish, PointRead, "point/list"},
			[]Action{PolicyCreate, PolicyUpdate, PolicyShorten, SourceUpdate, PointDelete, ObjectDelete, VaultRemove, "source/stop", "operation/approve", KeyCreate},
		},
		{
			BackupContributor, []Action{PolicyCreate, VaultCreate, VaultRemove, BackupRun, "source/stop", "operation/request", OwnerTake},
			[]Action{"operation/approve", "role/create", "binding/create", "security/update", KeyCreate, "guard/disable"},
		},
		{
			SecurityOfficer, []Action{"operation/approve", KeyCreate, "role/update", "point/list"},
			[]Action{BackupRun, RestoreRun, PointRead, "operation/request", "backup/create"},
		},
		{
			ComplianceOfficer, []Action{"hold/place", "class/update", "operation/approve", "certification/sign"},
			[]Action{BackupRun, RestoreRun, PointRead, PolicyCreate, "operation/request"},
		},
		{InternalAuditor, []Action{AuditRead, "finding/create", "point/show"}, []Action{PointRead, RestoreRun, PolicyCreate, "hold/place"}},
		{ExternalAuditor, []Action{AuditRead, "test/reperform"}, []Action{PointRead, "finding/create", "operation/approve"}},
		{Executive, []Action{"dashboard/show", "certification/sign"}, []Action{BackupRun, "point/list", AuditRead}},
	} {
		for _, a := range c.may {
			if !allowed(t, c.role, a) {
				t.Errorf("%s must be allowed %s", c.role, a)
			}
		}
		for _, a := range c.not {
			if allowed(t, c.role, a) {
				t.Errorf("%s must not be allowed %s", c.role, a)
			}
		}
	}
}

func TestRoles_NoneMayBothRequestAndApprove(t *testing.T) {
	for _, r := range Roles() {
		if r.Allows("operation/request") && r.Allows("operation/approve") {
			t.Errorf("%s may both request and approve", r.Name)
		}
	}
}

func TestPattern_MalformedMatchesNothing(t *testing.T) {
	for _, a := range []Action{"", "vault", "/", "vault/", "/create"} {
		if (Role{Allow: []Pattern{"*/*"}}).Allows(a) {
			t.Errorf("%q is allowed", a)
		}
	}
	for _, p := range []Pattern{"", "*", "vault", "vau*/create"} {
		if (Role{Allow: []Pattern{p}}).Allows(VaultCreate) {
			t.Errorf("pattern %q matches", p)
		}
	}
}

func TestOwner_MayDoEverythingOfThisVersion(t *testing.T) {
	bindings := Owner("local")
	for _, a := range Actions() {
		if !Allowed(bindings, "local", a, Target{Vault: "main"}, now) {
			t.Errorf("%s is not allowed", a)
		}
		if Allowed(bindings, "other", a, Target{Vault: "main"}, now) || Allowed(bindings, "", a, Target{}, now) {
			t.Errorf("%s is allowed to somebody else", a)
		}
	}
}

func TestAllowed_HonoursScopeAndEnd(t *testing.T) {
	bind := func(s Scope, until time.Time) []Binding {
		return []Binding{{Subject: "ann", Role: BackupOperator, Scope: s, Until: until}}
	}
	target := Target{Vault: "main", Source: "erp", Classes: []string{"supplier_invoice", "payroll"}}
	for name, c := range map[string]struct {
		bindings []Binding
		want     bool
	}{
		"everything":        {bind(Scope{Kind: Everything}, time.Time{}), true},
		"zero scope":        {bind(Scope{}, time.Time{}), false},
		"vault":             {bind(Scope{VaultScope, "main"}, time.Time{}), true},
		"other vault":       {bind(Scope{VaultScope, "eu"}, time.Time{}), false},
		"vault without id":  {bind(Scope{VaultScope, ""}, time.Time{}), false},
		"source":            {bind(Scope{SourceScope, "erp"}, time.Time{}), true},
		"one of two kinds":  {bind(Scope{ClassScope, "payroll"}, time.Time{}), false},
		"still in force":    {bind(Scope{Kind: Everything}, now.Add(time.Second)), true},
		"ended at this now": {bind(Scope{Kind: Everything}, now), false},
		"unknown role":      {[]Binding{{Subject: "ann", Role: "root", Scope: Scope{Kind: Everything}}}, false},
	} {
		if got := Allowed(c.bindings, "ann", BackupRun, target, now); got != c.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
	if !Allowed(bind(Scope{ClassScope, "payroll"}, time.Time{}), "ann", BackupRun, Target{Classes: []string{"payroll"}}, now) {
		t.Error("a class binding must reach its class")
	}
}

func TestGrant_ZeroPermitsNothing(t *testing.T) {
	if err := (Grant{}).Require(BackupRun, ""); !errkind.Is(err, errkind.NotAllowed) {
		t.Errorf("got %v", err)
	}
	g := Issue(BackupRun, "erp", "ann", "17", now)
	if err := g.Require(RestoreRun, BackupRun); err != nil {
		t.Error(err)
	}
	if err := g.Require(RestoreRun); !errkind.Is(err, errkind.NotAllowed) {
		t.Errorf("got %v", err)
	}
}

func TestCriticalOperations_AreNamedOnceAndMarked(t *testing.T) {
	seen, optional := map[string]bool{}, map[string]bool{}
	for _, c := range CriticalOperations() {
		if seen[c.ID] || c.Title == "" || (c.Optional && c.Irrevocable) {
			t.Errorf("%+v", c)
		}
		seen[c.ID], optional[c.ID] = true, c.Optional
	}
	for id, want := range map[string]bool{
		"soft_delete/weaken": false, "hold/release": false, "policy/shorten": true, "source/stop": true,
		"source/shrink": false, "restore/in_place": false, "rpo/raise": true, "vault/lock": false,
	} {
		if !seen[id] || optional[id] != want {
			t.Errorf("%s: listed %v, optional %v", id, seen[id], optional[id])
		}
	}
}
