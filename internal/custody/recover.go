package custody

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/calendar"
	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/durable"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/keys"
	"github.com/counterfoil/counterfoil/internal/policy"
	"github.com/counterfoil/counterfoil/internal/retention"
	"github.com/counterfoil/counterfoil/internal/tlog"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// Recovered is what a recovery found in a vault.
type Recovered struct {
	Vault                     catalog.Vault
	Sources, Points, Policies int
	// Packs is how many packs the index was rebuilt from.
	Packs int
	// Missing names what numbering or records know and storage lacks.
	Missing, Warnings []string
}

// AdoptLog takes up the audit log that a vault holds, where this installation
// has none of its own yet, or the key of the one it has, where that is gone. It comes before the gate, which needs a log to record
// in; it gives false where there is a log here already or none there.
func (c *Custody) AdoptLog(ctx context.Context, url blob.URL, keyFile, logDir, secretFile string) (bool, error) {
	_, err := os.Stat(filepath.Join(logDir, "checkpoint"))
	here := err == nil
	if _, err := os.Stat(secretFile); here && !errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	kek, err := keys.ReadFile(keyFile)
	if err != nil {
		return false, err
	}
	v, release, err := c.openUnknown(ctx, url, kek)
	if err != nil {
		return false, fmt.Errorf("open the vault at %s: %w", url, err)
	}
	if here {
		return false, errors.Join(bringBackSecret(ctx, v, logDir, secretFile), release())
	}
	adopted, err := adopt(ctx, v, logDir, secretFile)
	return adopted, errors.Join(err, release())
}

// bringBackSecret restores the key of the log that is here, if this vault has
// it. A vault of another log has none that fits.
func bringBackSecret(ctx context.Context, v *vault.Vault, logDir, secretFile string) error {
	secret := v.Attachment(AuditKeyName)
	key, err := tlog.ParseSigner(string(secret))
	if len(secret) == 0 || err != nil {
		return nil
	}
	if _, err := tlog.Open(ctx, tlog.DirStore(logDir), key.Verifier.Name(), nil, key.Verifier); err != nil {
		return nil //nolint:nilerr // the audit log tells itself what is wrong with it
	}
	return durable.WriteFile(secretFile, secret, 0o600)
}

func adopt(ctx context.Context, v *vault.Vault, logDir, secretFile string) (bool, error) {
	secret := v.Attachment(AuditKeyName)
	if len(secret) == 0 {
		return false, nil
	}
	key, err := tlog.ParseSigner(string(secret))
	if err != nil {
		return false, fmt.Errorf("the audit log's key in the vault: %w", err)
	}
	store := blob.NewLogStore(v.Bucket(), "log/")
	log, err := tlog.Open(ctx, store, key.Verifier.Name(), nil, key.Verifier)
	if errkind.Is(err, errkind.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("the audit log in the vault: %w", err)
	}
	if err := durable.MkdirAll(filepath.Dir(secretFile), 0o700); err != nil {
		return false, err
	}
	if err := durable.WriteFile(secretFile, secret, 0o600); err != nil {
		return false, err
	}
	_, err = log.Publish(ctx, tlog.DirStore(logDir))
	return err == nil, err
}

// Recover brings back what this installation knew of a vault from its store
// and a key alone: sources, policies, points and why they are kept. It takes the
// vault over from the server that owned it. What is in the catalog of other vaults stays.
func (c *Custody) Recover(ctx context.Context, g access.Grant, url blob.URL, keyFile string) (Recovered, error) {
	if err := g.Require(access.VaultRecover); err != nil {
		return Recovered{}, err
	}
	kek, err := keys.ReadFile(keyFile)
	if err != nil {
		return Recovered{}, err
	}
	v, release, err := c.openUnknown(ctx, url, kek)
	if err != nil {
		return Recovered{}, fmt.Errorf("open the vault at %s: %w", url, err)
	}
	out, err := c.recover(ctx, g, v, url, kek)
	// It was opened with nothing of the catalog: whoever uses it next opens it anew.
	if err := errors.Join(err, release()); err != nil {
		return out, err
	}
	return out, c.forget(out.Vault.ID)
}

// openUnknown opens a vault that the catalog need not have. What is written into
// it is locked as its own records say.
func (c *Custody) openUnknown(ctx context.Context, url blob.URL, kek *keys.Held) (*vault.Vault, func() error, error) {
	bucket, release, err := c.cfg.Stores.Open(ctx, url)
	if err != nil {
		return nil, nil, err
	}
	var v *vault.Vault
	o := c.bare()
	o.OwnLock = func() blob.Lock { return c.recordedLock(ctx, v) }
	if v, err = vault.Open(ctx, bucket, kek, o); err != nil {
		return nil, nil, errors.Join(err, release())
	}
	return v, release, nil
}

// recordedLock gives the lock of a vault's own objects by what its records and
// header say alone.
func (c *Custody) recordedLock(ctx context.Context, v *vault.Vault) blob.Lock {
	records, err := v.Records(ctx)
	if err != nil && !errkind.Is(err, errkind.Damaged) {
		return blob.Lock{}
	}
	row := catalog.Vault{Kind: catalog.VaultKind(v.Header().Kind), MinRetention: retention.DefaultMin.String(), MaxRetention: retention.DefaultMax.String()}
	if s, ok := Settings(records); ok {
		row.Kind, row.MinRetention, row.MaxRetention = kindOf(s.State), s.Minimum, s.Maximum
	}
	return ownLockOf(row, v.Bucket().Caps(), c.cfg.Now())
}

func (c *Custody) recover(ctx context.Context, g access.Grant, v *vault.Vault, url blob.URL, kek *keys.Held) (Recovered, error) {
	var out Recovered
	if err := c.fitsHere(ctx, v); err != nil {
		return out, err // before anything is taken over
	}
	before, ownerErr := v.Owner(ctx)
	if err := v.TakeOwnership(ctx, g); err != nil {
		return out, err
	}
	if ownerErr == nil && before.Server != c.cfg.Server {
		out.Warnings = append(out.Warnings, fmt.Sprintf("the vault was taken over from the installation on host %q, which can read it but no longer write to it", before.Host))
	}
	if err := c.keepKey(ctx, g, v, kek); err != nil {
		return out, err
	}
	var err error
	if out.Packs, err = v.RebuildIndex(ctx, g); err != nil {
		return out, err
	}
	finished, err := v.FinishCommits(ctx, g)
	if err != nil {
		return out, err
	}
	for _, object := range finished {
		out.Warnings = append(out.Warnings, fmt.Sprintf("point %s was interrupted before it was written; it was finished from its intent", object))
	}
	records, err := v.Records(ctx)
	if errkind.Is(err, errkind.Damaged) {
		out.Missing = append(out.Missing, err.Error())
	} else if err != nil {
		return out, err
	}
	state := readRecords(records)
	state.canaryFailed = CanaryFailed(records)
	out.Missing = append(out.Missing, state.unread...)
	if err := v.AcceptRecords(ctx, g); err != nil && !errkind.Is(err, errkind.Damaged) && !errkind.Is(err, errkind.NotFound) {
		return out, err
	}
	if err := c.indexVault(ctx, g, v, url, state, &out); err != nil {
		return out, err
	}
	if err := c.recoverErasures(ctx, g, out.Vault.ID, v); err != nil {
		return out, err
	}
	out.Warnings = append(out.Warnings, v.Warnings()...)
	return out, nil
}

// keepKey makes sure that this installation has a platform key of its own for
// the vault. A recovery kit is not copied: it opens the vault once, to add a new slot.
func (c *Custody) keepKey(ctx context.Context, g access.Grant, v *vault.Vault, kek *keys.Held) error {
	path := c.keyFile(idText(v.ID()))
	if held, err := keys.ReadFile(path); err == nil {
		if v.Opens(ctx, held) {
			return nil
		}
		return errkind.New(errkind.Exists, "there is a key file %s that does not open the vault: move it away first", path)
	}
	if provider, _ := kek.Describe(); provider == keys.FileProvider {
		return c.writeKey(path, kek.Line()+"\n")
	}
	fresh := keys.NewHeld(keys.FileProvider, v.ID())
	if err := c.writeKey(path, fresh.Line()+"\n"); err != nil {
		return err
	}
	return v.CreateSlot(ctx, g, "platform key", fresh)
}

// recorded is what governance records say, the latest of each.
type recorded struct {
	vault    *vault.SettingsRecord
	sources  []vault.SourceRecord
	policies []vault.PolicyRecord
	facts    []retention.Fact
	unread   []string
	// canaryFailed says that the last canary found the store's locks not kept.
	canaryFailed bool
}

func readRecords(records []vault.Record) recorded {
	var out recorded
	at := map[vault.SourceID]int{}
	for _, r := range records {
		for i, f := range r.Facts {
			var err error
			switch f.Kind {
			case vault.FactVault:
				out.vault = new(vault.SettingsRecord)
				err = f.Decode(out.vault)
			case vault.FactSource:
				var s vault.SourceRecord
				if err = f.Decode(&s); err == nil {
					if n, ok := at[s.ID]; ok {
						out.sources[n] = s
					} else {
						at[s.ID] = len(out.sources)
						out.sources = append(out.sources, s)
					}
				}
			case vault.FactPolicy:
				var p vault.PolicyRecord
				if err = f.Decode(&p); err == nil {
					out.policies = append(out.policies, p)
				}
			case vault.FactClass:
				err = f.Decode(new(vault.PolicyRecord)) // sets of classes come with the program; nothing to index
			case vault.FactPoint:
				var p retention.Fact
				if err = f.Decode(&p); err != nil {
					p = retention.Fact{Kind: "unreadable", At: r.At.Time()}
				}
				out.facts = append(out.facts, p)
			case vault.FactCondemned, vault.FactReleased, vault.FactCollected, vault.FactPlacement, vault.FactRemoved,
				vault.FactBatch, vault.FactCertificate, vault.FactProof, vault.FactCanary, vault.FactErasure, vault.FactErasureWithdrawn: // the vault and lifecycle read these themselves
			default:
				// What is not understood keeps every point.
				out.facts = append(out.facts, retention.Fact{Kind: retention.FactKind(f.Kind), At: r.At.Time()})
				err = errkind.New(errkind.NewerFormat, "of a kind %q that this version does not know", f.Kind)
			}
			if err != nil {
				out.unread = append(out.unread, fmt.Sprintf("governance record %d, fact %d: %v", r.Number, i+1, err))
			}
		}
	}
	return out
}

// PointRecords gives the facts about points in governance records, in order.
// One that cannot be decoded is of a later version and counts as not understood.
func PointRecords(records []vault.Record) []retention.Fact {
	return readRecords(records).facts
}

// flagLevel is the level of a vault whose operating system enforces locks: 1
// as long as some lock lacks what it is enforced by.
func flagLevel(ctx context.Context, v *vault.Vault) (int, error) {
	level := 2
	err := v.Bucket().List(ctx, "", func(i blob.Info) error {
		if i.Loose {
			level = 1
		}
		return nil
	})
	return level, err
}

func (c *Custody) indexVault(ctx context.Context, g access.Grant, v *vault.Vault, url blob.URL, state recorded, out *Recovered) error {
	n, err := newVaultOf(v, url, state.vault)
	if err != nil {
		return err
	}
	if out.Vault, err = vaultRow(v, n, ""); err != nil {
		return err
	}
	if state.vault != nil {
		if out.Vault, err = settled(out.Vault, *state.vault); err != nil {
			return err
		}
	}
	// This level rests on flags of files, which a copy of a store has lost; locking
	// the vault again sets them and reaches the level.
	if out.Vault.AssuranceLevel == 2 {
		if out.Vault.AssuranceLevel, err = flagLevel(ctx, v); err != nil {
			return err
		}
	}
	if state.canaryFailed {
		out.Vault.AssuranceLevel = 0
	}
	if err := c.cfg.Catalog.ReplaceVault(ctx, g, out.Vault); err != nil {
		return err
	}
	for _, p := range state.policies {
		row := catalog.Policy{Name: p.Name, Version: p.Version, Body: p.Document, CreatedAt: c.cfg.Now()}
		if err := c.cfg.Catalog.ReplacePolicy(ctx, g, row); err != nil {
			return err
		}
		out.Policies++
	}
	points, err := c.readPoints(ctx, v, &state, out)
	if err != nil {
		return err
	}
	for _, s := range state.sources {
		row, err := SourceRow(s, out.Vault.ID)
		if err != nil {
			return err
		}
		if err := c.cfg.Catalog.ReplaceSource(ctx, g, row); err != nil {
			return err
		}
		out.Sources++
	}
	out.Points = len(points)
	return c.cfg.Catalog.ReplacePoints(ctx, g, out.Vault.ID, points)
}

// fitsHere refuses a vault whose name, sources or policies are others here.
func (c *Custody) fitsHere(ctx context.Context, v *vault.Vault) error {
	records, err := v.Records(ctx)
	if err != nil && !errkind.Is(err, errkind.Damaged) {
		return err
	}
	state, id := readRecords(records), idText(v.ID())
	name := v.Header().Name
	if state.vault != nil && state.vault.Name != "" {
		name = state.vault.Name
	}
	if row, err := c.cfg.Catalog.Vault(ctx, name); err == nil && row.ID != id {
		return errkind.New(errkind.Exists, "there is another vault %q here: recover this one into a data directory of its own", name)
	} else if err != nil && !errkind.Is(err, errkind.NotFound) {
		return err
	}
	for _, s := range state.sources {
		row, err := c.cfg.Catalog.Source(ctx, s.Name)
		if err == nil && !strings.EqualFold(row.ID, s.ID.String()) {
			return errkind.New(errkind.Exists, "there is another source %q here: recover the vault into a data directory of its own", s.Name)
		}
		if err != nil && !errkind.Is(err, errkind.NotFound) {
			return err
		}
	}
	return c.policiesFit(ctx, id, state.policies)
}

// policiesFit refuses policies of a vault that are others here, under the same name
// and version, and by which sources of other vaults are kept.
func (c *Custody) policiesFit(ctx context.Context, vaultID string, found []vault.PolicyRecord) error {
	sources, err := c.cfg.Catalog.Sources(ctx)
	if err != nil {
		return err
	}
	for _, p := range found {
		have, err := c.cfg.Catalog.Policy(ctx, p.Name, p.Version)
		if errkind.Is(err, errkind.NotFound) || err == nil && samePolicy(have.Body, p.Document) {
			continue
		}
		if err != nil {
			return err
		}
		for _, s := range sources {
			if s.VaultID != vaultID && s.Policy == p.Name && s.PolicyVersion == p.Version {
				return errkind.New(errkind.Exists, "policy %q version %d of the vault is another one than here, where source %q is under it: recover the vault into a data directory of its own", p.Name, p.Version, s.Name)
			}
		}
	}
	return nil
}

// samePolicy reports whether two documents are one policy, however they are written.
func samePolicy(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	x, err1 := policy.Parse(a)
	y, err2 := policy.Parse(b)
	return err1 == nil && err2 == nil && reflect.DeepEqual(x, y)
}

func newVaultOf(v *vault.Vault, url blob.URL, r *vault.SettingsRecord) (NewVault, error) {
	h := v.Header()
	n := NewVault{Name: h.Name, URL: url, Kind: h.Kind, Maximum: retention.DefaultMax}
	if r == nil {
		return n, nil
	}
	if r.Name != "" {
		n.Name = r.Name
	}
	n.Kind, n.SoftDeleteDays = string(kindOf(r.State)), r.SoftDeleteDays
	var err error
	if n.Minimum, err = calendar.ParsePeriod(r.Minimum); err != nil {
		return n, err
	}
	n.Maximum, err = calendar.ParsePeriod(r.Maximum)
	return n, err
}

// readPoints reads every point that storage has. One that cannot be read is
// named, as are gaps in the numbering; a source known only from its points is taken from
// the newest of them.
func (c *Custody) readPoints(ctx context.Context, v *vault.Vault, state *recorded, out *Recovered) ([]catalog.Point, error) {
	refs, err := v.ListPoints(ctx)
	if err != nil {
		return nil, err
	}
	known := map[vault.SourceID]bool{}
	for _, s := range state.sources {
		known[s.ID] = true
	}
	next := map[vault.SourceID]uint64{}
	var rows []catalog.Point
	for _, ref := range refs {
		if want := next[ref.Source] + 1; ref.Number > want {
			out.Missing = append(out.Missing, fmt.Sprintf("points %d to %d of source %s are not in storage", want, ref.Number-1, ref.Source))
		}
		next[ref.Source] = ref.Number
		p, err := v.ReadPoint(ctx, ref.Object)
		if errkind.Is(err, errkind.Damaged) {
			out.Missing = append(out.Missing, fmt.Sprintf("point %d of source %s cannot be read: %v", ref.Number, ref.Source, err))
			continue
		}
		if err != nil {
			return nil, err
		}
		if !known[ref.Source] {
			out.Warnings = append(out.Warnings, fmt.Sprintf("source %q is in no governance record; it is taken from its points", p.Body.Source.Name))
			known[ref.Source] = true
			state.sources = append(state.sources, p.Body.Source)
		}
		row, err := c.recoverPoint(ctx, v, p, state.facts, out.Vault)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// recoverPoint makes the row of a point; that it is locked, and until when, is
// believed of storage alone.
func (c *Custody) recoverPoint(ctx context.Context, v *vault.Vault, p vault.Point, facts []retention.Fact, in catalog.Vault) (catalog.Point, error) {
	row, err := PointRow(p, facts)
	if err != nil {
		return row, err
	}
	if in.Kind == catalog.VaultTrial {
		bounds, err := Bounds(in)
		if err != nil {
			return row, err
		}
		initial, received := Facts(p), p.Envelope.Received.Time()
		until := retention.Fold(initial, nil).RetainUntil
		return row, SetLock(&row, retention.LockFor(received, received, until, bounds.Max).Exact, false)
	}
	info, err := v.Bucket().Stat(ctx, p.Object)
	if err != nil {
		return row, err
	}
	return row, SetLock(&row, info.Lock.Until, info.Lock.Mode != blob.NoLock)
}

// Slug makes a word from a path for a source's name.
func Slug(path string) string {
	name := strings.ToLower(filepath.Base(path))
	out := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '-'
	}, name)
	if out = strings.Trim(out, "-"); out == "" {
		return "root"
	}
	return out
}
