// Package records keeps a vault's governance: the chained records of facts
// (docs/format/governance.md), what they say of packs and removed points, and
// who owns the vault.
package records

import (
	"context"
	"crypto/sha256"
	"sync"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/retention"
	"github.com/counterfoil/counterfoil/internal/vault/canon"
	"github.com/counterfoil/counterfoil/internal/vault/objects"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
	"github.com/counterfoil/counterfoil/internal/vault/tree"
)

// Log is a vault's governance. It is safe for concurrent use.
type Log struct {
	store  *objects.Store
	server seal.ID
	host   string
	// Lock gives the lock of a new record; nil is none.
	Lock func() blob.Lock
	// Heads keeps what the newest record is; nil for nobody.
	Heads Heads

	mu     sync.Mutex // guards ledger and read
	read   []Record   // all, as far as they were read
	ledger *Ledger
}

// New gives the governance in a store to a server; host is a label of it.
func New(store *objects.Store, server seal.ID, host string) *Log {
	return &Log{store: store, server: server, host: host}
}

// Record is a governance record: facts that somebody stated at a time.
type Record struct {
	Number uint64
	At     tree.Stamp
	Actor  string
	Event  string
	Facts  []Fact
	Digest [32]byte
}

type recordClear struct {
	Vault    seal.ID     `cbor:"1,keyasint"`
	Number   uint64      `cbor:"2,keyasint"`
	Previous []byte      `cbor:"3,keyasint,omitempty"`
	At       tree.Stamp  `cbor:"4,keyasint"`
	Body     tree.Digest `cbor:"5,keyasint"`
	Count    uint32      `cbor:"6,keyasint"`
}

type recordBody struct {
	Actor string `cbor:"1,keyasint"`
	Event string `cbor:"2,keyasint"`
	Facts []Fact `cbor:"3,keyasint"`
}

func (l *Log) lock() blob.Lock {
	if l.Lock == nil {
		return blob.Lock{}
	}
	return l.Lock()
}

// All gives all governance records in order and checks their chain. A broken
// chain is errkind.Damaged, and so are last records that are missing; the records
// before the break are returned with it.
// Those that were read before are not read again, as long as the listing has
// them; [Log.Fresh] reads all. What is given must not be changed.
func (l *Log) All(ctx context.Context) ([]Record, error) {
	h := l.head(ctx)
	names, err := l.namesAfter(ctx, 0)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	have := l.read
	l.mu.Unlock()
	var last Record
	if n := len(have); n > 0 && n <= len(names) && objects.RecordName(have[n-1].Number) == names[n-1] {
		last = have[n-1]
	} else {
		have = nil
	}
	fresh, err := l.chain(ctx, last, names[len(have):])
	out := append(have[:len(have):len(have)], fresh...)
	if err == nil {
		l.mu.Lock()
		l.read = out
		l.mu.Unlock()
		err = l.complete(ctx, h, out)
	}
	return out, err
}

// Fresh is All without what was read before.
func (l *Log) Fresh(ctx context.Context) ([]Record, error) {
	h := l.head(ctx)
	out, err := l.recordsAfter(ctx, Record{})
	if err == nil {
		err = l.complete(ctx, h, out)
	}
	return out, err
}

// chain reads records that are to follow one another, and the one given.
func (l *Log) chain(ctx context.Context, last Record, names []string) ([]Record, error) {
	var out []Record
	var previous []byte
	if last.Number > 0 {
		previous = last.Digest[:]
	}
	for i, name := range names {
		r, prev, err := l.Read(ctx, name)
		if err != nil {
			return out, err
		}
		if r.Number != last.Number+uint64(i+1) || string(prev) != string(previous) {
			return out, errkind.New(errkind.Damaged, "governance record %q does not follow the one before it: records are missing or replaced", name)
		}
		previous = r.Digest[:]
		out = append(out, r)
	}
	return out, nil
}

// Read reads one record and gives the digest of the one before it.
func (l *Log) Read(ctx context.Context, name string) (r Record, previous []byte, err error) {
	err = l.store.ReadGood(ctx, name, func(data []byte) (err error) {
		r, previous, err = l.parse(name, data)
		return err
	})
	return r, previous, err
}

func (l *Log) parse(name string, data []byte) (r Record, previous []byte, err error) {
	var clear recordClear
	signed, err := l.store.ParseSigned(canon.Governance, name, data, &clear)
	if err != nil {
		return r, nil, err
	}
	if number, ok := objects.ParseRecord(name); !ok || number != clear.Number || clear.Vault != l.store.Vault || sha256.Sum256(signed.Body) != clear.Body {
		return r, nil, errkind.New(errkind.Damaged, "governance record %q is not what its name or signature says", name)
	}
	plain, err := l.store.Unbox(canon.Governance, signed.Body)
	var body recordBody
	if err == nil {
		err = canon.Unmarshal(plain, &body)
	}
	if err != nil {
		return r, nil, errkind.Wrap(errkind.Of(err), err, "governance record %q", name)
	}
	return Record{Number: clear.Number, At: clear.At, Actor: body.Actor, Event: body.Event, Facts: body.Facts, Digest: sha256.Sum256(data)}, clear.Previous, nil
}

// mayRecord checks the grant against each fact.
func mayRecord(g access.Grant, facts []Fact) error {
	if err := g.Require(g.Action()); err != nil { // an empty grant
		return err
	}
	if len(facts) == 0 {
		return errkind.New(errkind.Invalid, "a governance record without facts")
	}
	for _, f := range facts {
		actions, err := mayState(f)
		if err != nil {
			return err
		}
		if err := g.Require(actions...); err != nil {
			return err
		}
	}
	return nil
}

// mayState lists the actions under which a fact may be recorded.
func mayState(f Fact) ([]access.Action, error) {
	if f.Kind == FactPoint {
		var p retention.Fact
		err := f.Decode(&p)
		return pointActions()[p.Kind], err
	}
	return map[string][]access.Action{
		FactSource: {access.SourceCreate, access.SourceUpdate, access.PolicyUpdate, access.PolicyShorten, access.SourceStop, access.SourceResume, access.SourceDelete, access.SourceUndelete, access.PointExpire},
		FactPolicy: {access.PolicyCreate, access.VaultCreate, access.PolicyUpdate, access.PolicyShorten, access.SourceCreate, access.SourceUpdate},
		FactClass:  {access.PolicyCreate},
		FactVault:  {access.VaultCreate, access.VaultLock, access.VaultCallBack, access.VaultUpdate, access.VaultWeaken, access.VaultHarden, access.VaultDelete, access.VaultUndelete},

		FactCondemned: {access.PackDelete},
		FactReleased:  {access.PackDelete},
		FactCollected: {access.PackDelete},
		FactPlacement: {access.PackDelete},
		FactRemoved:   {access.PointDelete, access.PointExpire},

		FactBatch:       {access.DisposalSign},
		FactCertificate: {access.PointExpire},
		FactProof:       {access.VaultProve},
		FactCanary:      {access.CanaryRun},

		FactErasure:          {access.ErasureRecord},
		FactErasureWithdrawn: {access.ErasureWithdraw},
	}[f.Kind], nil
}

// pointActions lists the actions under which a fact about points may be
// recorded.
func pointActions() map[retention.FactKind][]access.Action {
	return map[retention.FactKind][]access.Action{
		retention.LevelChanged:  {access.VaultVerify, access.RestoreRun},
		retention.HoldPlaced:    {access.HoldPlace},
		retention.HoldReleased:  {access.HoldRelease},
		retention.EventRecorded: {access.EventRecord},
		retention.SoftDeleted:   {access.PointDelete, access.SourceDelete, access.VaultDelete},
		retention.Undeleted:     {access.PointUndelete, access.SourceUndelete, access.VaultUndelete},
		retention.Disposed:      {access.PointExpire},
		retention.TagMoved:      {access.BackupRun, access.PointExpire, access.PolicyUpdate, access.PolicyShorten, access.SourceUpdate},
		retention.Frozen:        {access.PointFreeze, access.SourceStop},
		retention.Unfrozen:      {access.PointUnfreeze, access.SourceResume, access.SourceDelete},
		retention.RetainRaised:  {access.PolicyCreate, access.BackupRun, access.PolicyUpdate, access.PolicyShorten, access.SourceUpdate},
	}
}

// Append appends a governance record, durable on return. Two writers
// cannot both take a number: the later gets errkind.Busy and nothing is lost.
func (l *Log) Append(ctx context.Context, g access.Grant, facts ...Fact) (Record, error) {
	if err := mayRecord(g, facts); err != nil {
		return Record{}, err
	}
	if err := l.CheckOwner(ctx); err != nil {
		return Record{}, err
	}
	h := l.head(ctx)
	last, err := l.Last(ctx)
	if err != nil {
		return Record{}, err
	}
	return l.put(ctx, g, h, last, facts)
}

// AppendAfter is Append for what was decided by the records up to one: when
// another was written since, it fails with errkind.Busy and writes nothing.
func (l *Log) AppendAfter(ctx context.Context, g access.Grant, last Record, facts ...Fact) (Record, error) {
	if err := mayRecord(g, facts); err != nil {
		return Record{}, err
	}
	if err := l.CheckOwner(ctx); err != nil {
		return Record{}, err
	}
	h := l.head(ctx)
	now, err := l.Last(ctx)
	if err != nil {
		return Record{}, err
	}
	if now.Number != last.Number || now.Digest != last.Digest {
		return Record{}, errkind.New(errkind.Busy, "governance record %d was written meanwhile, so what was decided by those before it was not done: look again", now.Number)
	}
	return l.put(ctx, g, h, last, facts)
}

// put writes the record that follows one.
func (l *Log) put(ctx context.Context, g access.Grant, h head, last Record, facts []Fact) (Record, error) {
	if err := h.reaches(last); err != nil {
		return Record{}, err // a number is not given twice
	}
	r := Record{Number: last.Number + 1, At: tree.StampOf(l.store.Now()), Actor: g.Subject(), Event: g.Event(), Facts: facts}
	object, err := l.encodeRecord(r, last)
	if err != nil {
		return Record{}, err
	}
	_, err = l.store.Bucket.Put(ctx, objects.RecordName(r.Number), object, blob.PutOptions{Lock: l.lock()})
	if errkind.Is(err, errkind.Exists) {
		return Record{}, errkind.New(errkind.Busy, "governance record %d was just written by somebody else: try again", r.Number)
	}
	r.Digest = sha256.Sum256(object)
	if err != nil || l.Heads == nil {
		return r, err
	}
	err = l.Heads.Keep(context.WithoutCancel(ctx), l.store.Vault, r)
	return r, errkind.Wrap(errkind.Of(err), err, "governance record %d stands, and is not in the audit log", r.Number)
}

// Last reads the last record; its number is 0 where there is none.
func (l *Log) Last(ctx context.Context) (Record, error) {
	var last string
	err := l.store.Bucket.List(ctx, objects.GovernancePrefix, func(i blob.Info) error {
		if _, ok := objects.ParseRecord(i.Name); ok {
			last = i.Name
		}
		return nil
	})
	if err != nil || last == "" {
		return Record{}, err
	}
	r, _, err := l.Read(ctx, last)
	return r, err
}

func (l *Log) encodeRecord(r, last Record) ([]byte, error) {
	plain, err := canon.Marshal(recordBody{Actor: r.Actor, Event: r.Event, Facts: r.Facts})
	if err != nil {
		return nil, err
	}
	body, err := l.store.Box(canon.Governance, plain)
	if err != nil {
		return nil, err
	}
	clear := recordClear{Vault: l.store.Vault, Number: r.Number, At: r.At, Body: sha256.Sum256(body), Count: uint32(len(r.Facts))}
	if last.Number > 0 {
		clear.Previous = last.Digest[:]
	}
	data, err := canon.Marshal(clear)
	if err != nil {
		return nil, err
	}
	return canon.Sign(canon.Governance, data, body, l.store.Ring.SigningKey())
}
