package lifecycle

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/custody"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/retention"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// Expiry is what an expiry would do to a vault's points. It changes nothing.
type Expiry struct {
	Vault string
	// Proven is the time that is proven to have passed; zero with Stopped.
	Proven time.Time
	// Stopped says why nothing may be deleted now, "" if it may.
	Stopped string
	// Record is the number of the last governance record taken into account.
	Record uint64
	// Expire are the points that go, oldest first.
	Expire []Candidate
	// Waiting are points past their time that stay for now: for a signed batch,
	// or because storage still locks them.
	Waiting []Candidate
	// Kept counts the other points, by the first ground that keeps each.
	Kept map[retention.Ground]int
	// Digest names what is to be done: two plans with the same one do the same.
	Digest [32]byte
}

// Candidate is a point past its time.
type Candidate struct {
	Point, Source string
	Number        int64
	ReceivedAt    time.Time
	Size          int64
	Findings      []retention.Finding
	// LockedUntil is when storage lets go of it, zero if it does already.
	LockedUntil time.Time
	// Resumed marks one whose disposal was recorded before and not finished.
	Resumed bool

	standing standing
}

// PlanExpiry finds the points whose time has passed. Each is decided by its
// manifest in storage and all records of its vault.
func (l *Lifecycle) PlanExpiry(ctx context.Context, name string) (*Expiry, error) {
	w, err := l.view(ctx, name)
	if err != nil {
		return nil, err
	}
	return l.plan(ctx, w)
}

func (l *Lifecycle) plan(ctx context.Context, w *view) (*Expiry, error) {
	if err := w.checkRecords(ctx); err != nil {
		return nil, err
	}
	e := &Expiry{Vault: w.row.Name, Kept: map[retention.Ground]int{}, Record: uint64(len(w.records))}
	proven, err := l.cfg.Clock.MayDelete(w.immutable())
	if errkind.Is(err, errkind.Refused) || errkind.Is(err, errkind.NotAllowed) {
		e.Stopped, proven = err.Error(), time.Time{}
	} else if err != nil {
		return nil, err
	}
	e.Proven = proven
	if err := l.handOver(ctx, w, l.cfg.Clock.Receipt()); err != nil {
		return nil, err
	}
	cycles, err := l.cycles(ctx, w)
	if err != nil {
		return nil, err
	}
	newest := w.newest()
	for _, p := range w.points {
		signed, err := w.signatures(p)
		if err != nil {
			return nil, err
		}
		item := retention.Item{State: p.state, Newest: newest[lower(p.row.ID)], DisposalSigned: signed.complete(), Mutable: !w.immutable(),
			Cycle: cycles[lower(p.row.ID)]}
		if err := l.judge(ctx, w, e, p, item); err != nil {
			return nil, err
		}
	}
	e.Digest = e.digest(w)
	return e, nil
}

// judge puts a point where it belongs in the plan. The catalog's word is
// enough to keep a point; for one to go, storage is asked.
func (l *Lifecycle) judge(ctx context.Context, w *view, e *Expiry, p standing, item retention.Item) error {
	d := retention.Decide(item, e.Proven, nil)
	c := Candidate{Point: p.row.ID, Source: p.name, Number: p.row.Number, ReceivedAt: p.row.ReceivedAt, Size: p.row.Size, Findings: d.Findings, standing: p}
	if d.Verdict != retention.Expire {
		switch ground := d.Findings[0].Ground; {
		case ground == retention.GroundDisposed && len(d.Findings) == 1: // a hold placed since keeps it
			return l.resume(ctx, w, e, c)
		case ground == retention.GroundAwaitingDisposal:
			e.Waiting = append(e.Waiting, c)
		default:
			e.Kept[ground]++
		}
		return nil
	}
	m, state, err := w.fromStorage(ctx, p)
	if errkind.Is(err, errkind.NotFound) {
		return errkind.New(errkind.Busy, "point %s is not in the vault any more: plan again, or let 'vault verify' say what is missing", p.row.ID)
	}
	if err != nil {
		return err
	}
	item.State = state
	if !item.Newest {
		if item.Newest, err = w.isLast(ctx, m); err != nil {
			return err
		}
	}
	if again := retention.Decide(item, e.Proven, nil); again.Verdict != retention.Expire {
		return errkind.New(errkind.Damaged, "the catalog would let point %s go and the vault would not (%s): nothing is planned; 'vault recover' brings the catalog back", p.row.ID, again.Findings[0].Sentence(time.UTC))
	}
	if c.LockedUntil, err = w.lockEnd(ctx, p.object, e.Proven); err != nil {
		return err
	}
	if !c.LockedUntil.IsZero() {
		e.Waiting = append(e.Waiting, c)
		return nil
	}
	e.Expire = append(e.Expire, c)
	return nil
}

// resume takes up a disposal that was recorded and not finished: only with its
// certificate, and only of the point that this names.
func (l *Lifecycle) resume(ctx context.Context, w *view, e *Expiry, c Candidate) error {
	m, state, err := w.fromStorage(ctx, c.standing)
	gone := errkind.Is(err, errkind.NotFound)
	if err != nil && !gone {
		return err
	}
	certificates, err := w.certificates()
	if err != nil {
		return err
	}
	certified := slices.ContainsFunc(certificates[lower(c.Point)], func(x vault.CertificateRecord) bool {
		return gone || x.Point == m.Envelope.ID && x.Manifest == m.Digest
	})
	if !certified || !gone && (!state.Disposed || len(state.Holds) > 0) {
		return errkind.New(errkind.Damaged, "the catalog says that point %s was disposed of and the vault does not: nothing is planned; 'vault recover' brings the catalog back", c.Point)
	}
	c.Resumed = true
	e.Expire = append(e.Expire, c)
	return nil
}

// checkRecords refuses to plan by records of which the last were cut off:
// every point names those that were there when it was made.
func (w *view) checkRecords(ctx context.Context) error {
	points, _, err := w.manifests(ctx) // what cannot be read is not decided about
	if err != nil {
		return err
	}
	for _, p := range points {
		n := p.Envelope.Records
		if n == 0 {
			continue
		}
		if n > uint64(len(w.records)) || !bytes.Equal(w.records[n-1].Digest[:], p.Envelope.RecordsHead) {
			return errkind.New(errkind.Damaged, "nothing is planned: point %q was made when governance record %d was there, and it is missing or was replaced", p.Object, n)
		}
	}
	return nil
}

// isLast reports whether a point is the newest whole one of its source in the
// store.
func (w *view) isLast(ctx context.Context, m vault.Point) (bool, error) {
	if id, ok := w.newestIDs[m.Envelope.Source]; ok {
		return id == custody.Facts(m).ID, nil
	}
	points, _, err := w.manifests(ctx)
	if err != nil {
		return false, err
	}
	var history []retention.PastPoint
	for _, p := range points {
		if e := p.Envelope; e.Source == m.Envelope.Source {
			history = append(history, retention.Fold(custody.Facts(p), w.facts).Past(e.Complete, e.Entries, e.Size))
		}
	}
	if w.newestIDs == nil {
		w.newestIDs = map[vault.SourceID]string{}
	}
	w.newestIDs[m.Envelope.Source] = retention.Newest(history)
	return w.newestIDs[m.Envelope.Source] == custody.Facts(m).ID, nil
}

// lockEnd gives when the last lock on a point's own objects ends, zero if none
// holds.
func (w *view) lockEnd(ctx context.Context, object string, now time.Time) (time.Time, error) {
	var end time.Time
	for _, name := range vault.PointObjects(object) {
		info, err := w.vault.Bucket().Stat(ctx, name)
		if errkind.Is(err, errkind.NotFound) {
			continue
		}
		if err != nil {
			return end, err
		}
		if info.Lock.Holds(now) && info.Lock.Until.After(end) {
			end = info.Lock.Until
		}
	}
	return end, nil
}

func (e *Expiry) digest(w *view) [32]byte {
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "vault %s\nrecord %d\n", w.row.ID, e.Record)
	for _, c := range e.Expire {
		_, _ = fmt.Fprintf(h, "%s %s\n", c.Point, c.standing.row.ManifestSHA256)
	}
	return [32]byte(h.Sum(nil))
}

// Disposed is what an expiry did.
type Disposed struct {
	// Certificates are of the points that went, in their order.
	Certificates []vault.CertificateRecord
	// Left names points that were to go and are still there, with the reason.
	Left []string
}

// disposeAtOnce bounds the points that one record disposes of.
const disposeAtOnce = 100

// ApplyExpiry does what a plan with that digest says, after planning again:
// when the vault has changed since, it fails with errkind.Busy and does nothing.
// Each disposal is recorded with its certificate before the point goes; wherever
// it stops, the next one goes on from there.
func (l *Lifecycle) ApplyExpiry(ctx context.Context, g access.Grant, name string, digest [32]byte) (Disposed, error) {
	if err := g.Require(access.PointExpire); err != nil {
		return Disposed{}, err
	}
	w, err := l.view(ctx, name)
	if err != nil {
		return Disposed{}, err
	}
	if err := w.vault.CheckOwner(ctx); err != nil {
		return Disposed{}, err
	}
	plan, err := l.plan(ctx, w)
	switch {
	case err != nil:
		return Disposed{}, err
	case plan.Stopped != "":
		return Disposed{}, errkind.New(errkind.Refused, "%s", plan.Stopped)
	case plan.Digest != digest:
		return Disposed{}, errkind.New(errkind.Busy, "vault %q changed since the plan was made: look at a new plan", name)
	}
	if len(w.moved) > 0 {
		// What takes a tag is recorded first, so that it stays whatever happens next.
		w.facts = w.facts[:len(w.facts)-len(w.moved)]
		if _, err := l.record(ctx, g, w, w.moved...); err != nil {
			return Disposed{}, err
		}
	}
	var out Disposed
	for batch := range slices.Chunk(plan.Expire, disposeAtOnce) {
		if err := l.dispose(ctx, g, w, plan, batch, &out); err != nil {
			return out, err
		}
	}
	return out, l.purgeSources(ctx, g, w, plan.Proven)
}

// dispose records the disposal of points and then takes them out of the vault.
func (l *Lifecycle) dispose(ctx context.Context, g access.Grant, w *view, plan *Expiry, batch []Candidate, out *Disposed) error {
	fresh := slices.DeleteFunc(slices.Clone(batch), func(c Candidate) bool { return c.Resumed })
	if len(fresh) > 0 {
		certificates, facts, err := l.certify(ctx, g, w, plan, fresh)
		if err != nil {
			return err
		}
		if _, err := w.state(ctx, g, facts...); err != nil {
			return err
		}
		out.Certificates = append(out.Certificates, certificates...)
	}
	for _, c := range batch {
		err := w.remove(ctx, g, c.standing.object)
		if errkind.Is(err, errkind.Refused) {
			out.Left = append(out.Left, fmt.Sprintf("point %s: %v", c.Point, err))
			continue
		}
		if err != nil && !errkind.Is(err, errkind.NotFound) {
			return err
		}
		if err := l.cfg.Catalog.SetPointState(ctx, g, c.Point, catalog.PointPurged, l.cfg.Clock.Receipt()); err != nil {
			return err
		}
	}
	return nil
}

// remove takes a point out of the vault, decided by the records of the view, and
// the record of that into it. Whatever anybody else recorded meanwhile, such as a
// hold, is errkind.Busy and keeps the point.
func (w *view) remove(ctx context.Context, g access.Grant, object string) error {
	r, err := w.vault.RemovePointAfter(ctx, g, w.last(), object)
	if r.Number > 0 {
		w.records = append(w.records, r)
	}
	return err
}

// certify makes the certificates of points that are about to go, and the facts
// that record both.
func (l *Lifecycle) certify(ctx context.Context, g access.Grant, w *view, plan *Expiry, batch []Candidate) ([]vault.CertificateRecord, []vault.Fact, error) {
	now := l.cfg.Clock.Receipt()
	var certificates []vault.CertificateRecord
	var facts []vault.Fact
	for _, c := range batch {
		cert, err := l.certificate(ctx, g, w, plan, c, now)
		if err != nil {
			return nil, nil, err
		}
		disposed := retention.Fact{Kind: retention.Disposed, At: now, By: g.Subject(), Certificate: cert.ID, Selector: only(c.standing),
			Policy: cert.Policy, PolicyVersion: cert.PolicyVersion}
		a, err1 := vault.NewFact(vault.FactPoint, disposed)
		b, err2 := vault.NewFact(vault.FactCertificate, cert)
		if err := errors.Join(err1, err2, disposed.Validate()); err != nil {
			return nil, nil, err
		}
		certificates, facts = append(certificates, cert), append(facts, a, b)
	}
	return certificates, facts, nil
}

// mostNamed bounds the packs that a certificate names: a record has many of them.
const mostNamed = 2000

// certificate says what goes, by which rule and when, and what of it survives.
func (l *Lifecycle) certificate(ctx context.Context, g access.Grant, w *view, plan *Expiry, c Candidate, now time.Time) (vault.CertificateRecord, error) {
	m, state, err := w.fromStorage(ctx, c.standing)
	if err != nil {
		return vault.CertificateRecord{}, err
	}
	packs, err := w.packs(ctx, m)
	if err != nil {
		return vault.CertificateRecord{}, err
	}
	stay, err := w.staying(ctx, plan)
	if err != nil {
		return vault.CertificateRecord{}, err
	}
	signed, err := w.signatures(c.standing)
	if err != nil {
		return vault.CertificateRecord{}, err
	}
	facts := m.Body.Retention
	cert := vault.CertificateRecord{
		ID: vault.NewSourceID(now).String(), Point: m.Envelope.ID, Source: m.Envelope.Source, SourceName: m.Body.Source.Name,
		Number: m.Envelope.Number, Manifest: m.Digest, Received: m.Envelope.Received, Size: m.Envelope.Size, Entries: m.Envelope.Entries,
		Policy: facts.Policy, PolicyVersion: facts.PolicyVersion, Until: vault.StampOf(state.RetainUntil.Time),
		Proven: vault.StampOf(plan.Proven), Disposed: vault.StampOf(now), By: g.Subject(), Event: g.Event(), Record: plan.Record, Batch: signed.text(),
	}
	for _, f := range c.Findings {
		cert.Grounds = append(cert.Grounds, f.Sentence(time.UTC))
	}
	cert.Packs = int64(len(packs))
	for _, p := range packs {
		if stay[p] {
			cert.SharedPacks++
		} else if name, ok := vault.PackName(p); ok {
			cert.Last = append(cert.Last, name[:]...)
		}
	}
	if len(cert.Last) > mostNamed*len(vault.Digest{}) {
		cert.Last = nil // when they were collected is in the records of that alone
	}
	return cert, nil
}

// DigestText writes a plan's digest.
func (e *Expiry) DigestText() string { return hex.EncodeToString(e.Digest[:]) }
