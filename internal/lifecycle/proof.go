package lifecycle

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/tlog"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// Proof says of every object that a point needs until when storage locks it.
// An outsider checks it against the store's own inventory, without us.
type Proof struct {
	Vault string    `json:"vault"`
	Point string    `json:"point"`
	At    time.Time `json:"at"`
	// Until is the earliest end of a lock among the objects, zero where one has
	// none: before it, the point cannot be deleted.
	Until time.Time `json:"until,omitzero"`
	// Mode is the weakest mode among the locks.
	Mode     string `json:"mode"`
	Enforcer string `json:"enforcer"`
	// Level is the vault's assurance level, L0 to L3.
	Level   string        `json:"level"`
	Objects []ProofObject `json:"objects"`
	// Root is the root of a Merkle tree over the objects; see [Proof.Recompute].
	Root string `json:"root"`
	// Record is the number of the governance record in which the root stands.
	Record uint64 `json:"record,omitempty"`
}

// ProofObject is one object of a proof.
type ProofObject struct {
	Object  string    `json:"object"`
	Version string    `json:"version,omitempty"`
	Size    int64     `json:"size"`
	SHA256  string    `json:"sha256"`
	Mode    string    `json:"mode"`
	Until   time.Time `json:"until,omitzero"`
}

// Prove makes the retention proof of a point, reading every object it needs to
// give its SHA-256, and records its root in the vault.
func (l *Lifecycle) Prove(ctx context.Context, g access.Grant, ref string) (*Proof, error) {
	if err := g.Require(access.VaultProve); err != nil {
		return nil, err
	}
	w, p, err := l.find(ctx, ref)
	if err != nil {
		return nil, err
	}
	m, err := w.manifest(ctx, p.object)
	if err != nil {
		return nil, err
	}
	packs, err := w.packs(ctx, m)
	if err != nil {
		return nil, err
	}
	proof := &Proof{Vault: w.row.Name, Point: p.row.ID, At: l.cfg.Clock.Receipt(), Enforcer: w.vault.Bucket().Caps().Enforcer, Level: fmt.Sprintf("L%d", w.row.AssuranceLevel)}
	own, err := w.ownObjects(ctx)
	if err != nil {
		return nil, err
	}
	names := slices.Concat(packs, []string{p.object}, own)
	slices.Sort(names)
	for _, name := range names {
		o, err := proveObject(ctx, w.vault.Bucket(), name)
		if err != nil {
			return nil, err
		}
		proof.Objects = append(proof.Objects, o)
	}
	proof.conclude()
	fact, err := vault.NewFact(vault.FactProof, vault.ProofRecord{Point: m.Envelope.ID, At: vault.StampOf(proof.At), Root: proof.root(), Objects: int64(len(proof.Objects)), Until: vault.StampOf(proof.Until)})
	if err != nil {
		return nil, err
	}
	r, err := w.vault.RecordFacts(ctx, g, fact)
	proof.Record = r.Number
	return proof, err
}

// ownObjects lists what every point needs of the vault itself: header and keys.
func (w *view) ownObjects(ctx context.Context) ([]string, error) {
	out := []string{vault.HeaderName}
	err := w.vault.Bucket().List(ctx, vault.KeysPrefix, func(i blob.Info) error {
		out = append(out, i.Name)
		return nil
	})
	return out, err
}

// proofPiece is how much of an object is read at once.
const proofPiece = 8 << 20

func proveObject(ctx context.Context, b *blob.Bucket, name string) (ProofObject, error) {
	info, err := b.Stat(ctx, name)
	if err != nil {
		return ProofObject{}, err
	}
	sum := sha256.New()
	buf := make([]byte, min(proofPiece, info.Size))
	for at := int64(0); at < info.Size; {
		n, err := b.ReadAt(ctx, name, buf[:min(int64(len(buf)), info.Size-at)], at)
		if n == 0 && err != nil {
			return ProofObject{}, err
		}
		sum.Write(buf[:n])
		at += int64(n)
	}
	return ProofObject{Object: name, Version: info.Version, Size: info.Size, SHA256: hex.EncodeToString(sum.Sum(nil)), Mode: string(info.Lock.Mode), Until: info.Lock.Until}, nil
}

// conclude works out the earliest end and weakest mode, and the root.
func (p *Proof) conclude() {
	p.Mode = string(blob.Compliance)
	for i, o := range p.Objects {
		if o.Mode == "" {
			p.Mode, p.Until = "", time.Time{}
			break
		}
		if i == 0 || o.Until.Before(p.Until) {
			p.Until = o.Until
		}
		if o.Mode == string(blob.Governance) {
			p.Mode = o.Mode
		}
	}
	root := p.root()
	p.Root = hex.EncodeToString(root[:])
}

// root is the Merkle tree hash (RFC 6962) of one line for each object, in their
// order: name, version, length, SHA-256, mode and end of the lock, separated by
// tabs and ended by a line feed.
func (p *Proof) root() [32]byte {
	var leaves [][]byte
	for _, o := range p.Objects {
		until := ""
		if !o.Until.IsZero() {
			until = o.Until.UTC().Format(time.RFC3339Nano)
		}
		leaves = append(leaves, fmt.Appendf(nil, "%s\t%s\t%d\t%s\t%s\t%s\n", o.Object, o.Version, o.Size, o.SHA256, o.Mode, until))
	}
	return tlog.Root(leaves)
}

// Recompute reports whether the proof's root is that of its objects.
func (p *Proof) Recompute() bool {
	root := p.root()
	return p.Root == hex.EncodeToString(root[:])
}
