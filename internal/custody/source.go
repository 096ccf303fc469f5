package custody

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/policy"
	"github.com/counterfoil/counterfoil/internal/source/files"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// NewSource is a source of folders to be protected.
type NewSource struct {
	Name, Vault   string
	Policy        string // empty for the default policy
	Paths         [][]byte
	Excludes      []string
	ExcludeLarger int64
	ExcludeCaches bool
	OneFileSystem bool
	Classes       []policy.ClassRule
	Owner         string
}

// SourceDetail is what the catalog keeps of a source beyond its columns.
type SourceDetail struct {
	Classes []policy.ClassRule `json:"classes,omitempty"`
	Host    string             `json:"host"`
	State   vault.SourceState  `json:"state,omitempty"`
	// Deleted is set while the source is deleted softly or purged.
	Deleted *vault.SoftDeletion `json:"deleted,omitempty"`
}

// CreateSource protects folders of this host. Every path must be there now: a
// typing error must not become a source that quietly holds nothing.
func (c *Custody) CreateSource(ctx context.Context, g access.Grant, n NewSource) (catalog.Source, error) {
	if err := g.Require(access.SourceCreate); err != nil {
		return catalog.Source{}, err
	}
	if err := c.checkSource(ctx, &n); err != nil {
		return catalog.Source{}, err
	}
	if _, err := c.cfg.Catalog.Source(ctx, n.Name); err == nil {
		return catalog.Source{}, errkind.New(errkind.Exists, "there is a source %q already", n.Name)
	} else if !errkind.Is(err, errkind.NotFound) {
		return catalog.Source{}, err
	}
	row, v, err := c.Vault(ctx, n.Vault)
	if err != nil {
		return catalog.Source{}, err
	}
	records, err := v.Records(ctx)
	if err != nil {
		return catalog.Source{}, err
	}
	if s, ok := Settings(records); ok && s.Deleted != nil {
		return catalog.Source{}, deletedVault(row)
	}
	p, err := c.policyFor(ctx, n, row)
	if err != nil {
		return catalog.Source{}, err
	}
	now := c.cfg.Now()
	record := vault.SourceRecord{ID: vault.NewSourceID(now), Name: n.Name, Kind: string(catalog.SourceFiles), Paths: n.Paths, Excludes: n.Excludes,
		ExcludeLarger: n.ExcludeLarger, ExcludeCaches: n.ExcludeCaches, OneFileSystem: n.OneFileSystem, Policy: p.Name, PolicyVersion: p.Version,
		Owner: n.Owner, Created: vault.StampOf(now), Host: c.cfg.Host}
	for _, r := range n.Classes {
		record.Classes = append(record.Classes, vault.ClassPath{Class: r.Class, Path: r.Path, CarriedBy: string(r.CarriedBy)})
	}
	source, err := SourceRow(record, row.ID)
	if err != nil {
		return catalog.Source{}, err
	}
	if err := source.Check(); err != nil {
		return catalog.Source{}, err
	}
	fact, err := vault.NewFact(vault.FactSource, record)
	if err != nil {
		return catalog.Source{}, err
	}
	facts, err := lacks(ctx, v, p)
	if err != nil {
		return catalog.Source{}, err
	}
	if _, err := v.RecordFacts(ctx, g, append(facts, fact)...); err != nil {
		return catalog.Source{}, fmt.Errorf("record source %q in vault %q at %s: %w", n.Name, row.Name, row.URL, err)
	}
	return source, c.cfg.Catalog.CreateSource(ctx, g, source)
}

func (c *Custody) checkSource(ctx context.Context, n *NewSource) error {
	if n.Name == "" || strings.ContainsAny(n.Name, "/\\ \t\n") {
		return errkind.New(errkind.Invalid, "a source's name is a word without spaces or slashes, %q is not", n.Name)
	}
	if len(n.Paths) == 0 {
		return errkind.New(errkind.Invalid, "source %q needs at least one path to protect", n.Name)
	}
	protected, err := c.Protect(ctx)
	if err != nil {
		return err
	}
	for i, p := range n.Paths {
		path := string(p)
		if !filepath.IsAbs(path) {
			return errkind.New(errkind.Invalid, "path %q is not absolute", path)
		}
		path = filepath.Clean(path)
		if _, err := os.Stat(path); err != nil {
			return errkind.Wrap(errkind.Invalid, err, "path %q cannot be protected; give a folder or file that exists", path)
		}
		if p, ok := Inside(path, protected); ok {
			return errkind.New(errkind.Invalid, "path %q lies in %q, which belongs to counterfoil itself: protect something else", path, p)
		}
		n.Paths[i] = []byte(path)
	}
	cfg := files.Config{Excludes: n.Excludes, ExcludeLarger: n.ExcludeLarger}
	for _, p := range n.Paths {
		cfg.Paths = append(cfg.Paths, string(p))
	}
	_, err = files.New(cfg)
	return err
}

// Inside finds the folder in which an absolute path lies, by its name or
// through symbolic links. What does not exist yet lies where its nearest folder is.
func Inside(path string, folders []string) (string, bool) {
	real := resolve(path)
	for _, f := range folders {
		for _, pair := range [][2]string{{f, path}, {resolve(f), real}} {
			if rel, err := filepath.Rel(pair[0], pair[1]); err == nil && filepath.IsLocal(rel) {
				return f, true
			}
		}
	}
	return "", false
}

// LeftOut lists the folders of this installation that lie within paths, and
// are therefore left out of a backup of them.
func (c *Custody) LeftOut(ctx context.Context, paths [][]byte) ([]string, error) {
	protected, err := c.Protect(ctx)
	if err != nil {
		return nil, err
	}
	var roots, out []string
	for _, p := range paths {
		roots = append(roots, string(p))
	}
	for _, own := range protected {
		_, within := Inside(own, roots)
		_, known := Inside(own, out)
		if _, err := os.Lstat(own); err == nil && within && !known {
			out = append(out, own)
		}
	}
	return out, nil
}

// resolve follows the symbolic links of a path as far as it exists.
func resolve(path string) string {
	rest := ""
	for at := path; ; at = filepath.Dir(at) {
		if real, err := filepath.EvalSymlinks(at); err == nil {
			return filepath.Join(real, rest)
		}
		if at == filepath.Dir(at) {
			return path
		}
		rest = filepath.Join(filepath.Base(at), rest)
	}
}

// noPolicy says which policies there are instead.
func (c *Custody) noPolicy(ctx context.Context, name string) error {
	rows, err := c.cfg.Catalog.Policies(ctx)
	if err != nil {
		return err
	}
	var names []string
	for _, r := range rows {
		names = append(names, r.Name)
	}
	return errkind.New(errkind.Invalid, "there is no policy %q; there are: %s", name, strings.Join(slices.Compact(names), ", "))
}

// policyFor finds the policy and refuses what the vault's bounds or the classes
// do not allow.
func (c *Custody) policyFor(ctx context.Context, n NewSource, row catalog.Vault) (policy.Policy, error) {
	name := n.Policy
	if name == "" {
		name = policy.SOX().Name
	}
	stored, err := c.cfg.Catalog.Policy(ctx, name, 0)
	if errkind.Is(err, errkind.NotFound) {
		return policy.Policy{}, c.noPolicy(ctx, name)
	}
	if err != nil {
		return policy.Policy{}, err
	}
	p, err := policy.Parse(stored.Body)
	if err != nil {
		return p, err
	}
	if err := Fits(p, n.Name, n.Classes, row); err != nil {
		return p, errkind.Wrap(errkind.Invalid, err, "")
	}
	return p, nil
}

// Classes finds the record classes that rules name, in the built-in sets.
func Classes(rules []policy.ClassRule) (map[string]policy.Class, error) {
	out := map[string]policy.Class{}
	for _, r := range rules {
		found := false
		for _, name := range policy.ClassSets() {
			set, err := policy.Classes(name)
			if err != nil {
				return nil, err
			}
			if class, ok := set.Find(r.Class); ok && !found {
				out[r.Class], found = class, true
			}
		}
		if !found {
			return nil, errkind.New(errkind.Invalid, "there is no record class %q in the sets uk-us and article", r.Class)
		}
	}
	return out, nil
}

// SourceRow gives a source of a vault's records as the catalog has it.
func SourceRow(r vault.SourceRecord, vaultID string) (catalog.Source, error) {
	detail := SourceDetail{Host: r.Host, State: r.State, Deleted: r.Deleted}
	row := catalog.Source{
		ID: strings.ToUpper(r.ID.String()), Name: r.Name, Kind: catalog.SourceKind(r.Kind), VaultID: vaultID, Policy: r.Policy, PolicyVersion: r.PolicyVersion,
		Paths: r.Paths, Excludes: r.Excludes, ExcludeLarger: r.ExcludeLarger, ExcludeCaches: r.ExcludeCaches, OneFileSystem: r.OneFileSystem,
		Owner: r.Owner, Criticality: r.Criticality, Sensitivity: r.Sensitivity, RPO: r.RPO, RTO: r.RTO, CreatedAt: r.Created.Time(),
	}
	for _, cl := range r.Classes {
		row.Classes = append(row.Classes, cl.Class)
		detail.Classes = append(detail.Classes, policy.ClassRule{Class: cl.Class, Path: cl.Path, CarriedBy: policy.Carrier(cl.CarriedBy)})
	}
	var err error
	row.Detail, err = json.Marshal(detail)
	return row, err
}

// SourceRecord gives a source of the catalog as vaults record it.
func SourceRecord(row catalog.Source) (vault.SourceRecord, SourceDetail, error) {
	var detail SourceDetail
	id, err := vault.ParseSourceID(row.ID)
	if err != nil {
		return vault.SourceRecord{}, detail, err
	}
	if len(bytes.TrimSpace(row.Detail)) > 0 {
		if err := json.Unmarshal(row.Detail, &detail); err != nil {
			return vault.SourceRecord{}, detail, errkind.Wrap(errkind.Damaged, err, "catalog row of source %q", row.Name)
		}
	}
	r := vault.SourceRecord{ID: id, Name: row.Name, Kind: string(row.Kind), Paths: row.Paths, Excludes: row.Excludes, ExcludeLarger: row.ExcludeLarger,
		ExcludeCaches: row.ExcludeCaches, OneFileSystem: row.OneFileSystem, Policy: row.Policy, PolicyVersion: row.PolicyVersion, Owner: row.Owner,
		Criticality: row.Criticality, Sensitivity: row.Sensitivity, RPO: row.RPO, RTO: row.RTO, Created: vault.StampOf(row.CreatedAt), Host: detail.Host, State: detail.State, Deleted: detail.Deleted}
	for _, cl := range detail.Classes {
		r.Classes = append(r.Classes, vault.ClassPath{Class: cl.Class, Path: cl.Path, CarriedBy: string(cl.CarriedBy)})
	}
	return r, detail, nil
}
