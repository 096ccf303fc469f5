package restore

import (
	"context"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// The bounds of a batch. Two are in memory at once, one being collected and
// one being fetched.
const (
	batchPieces = 32 << 10
	batchFiles  = 4096
	batchWeight = 16 << 20 // bytes of memory for entries
)

// batch is what is fetched in one go.
type batch struct {
	wants []vault.Want
	// tags gives the want of a digest, first the first piece of each want.
	tags   map[vault.Digest]int
	first  []int32
	pieces []piece
	files  int
	weight int
}

// piece is a place where a chunk belongs.
type piece struct {
	out *output
	// at is the offset in the file's content stream, length that of the chunk.
	at, length int64
	// next is the next piece of the same chunk, noPiece for the last.
	next int32
}

const noPiece = -1

func newBatch() *batch { return &batch{tags: map[vault.Digest]int{}} }

// add notes that a chunk is wanted for a piece.
func (b *batch) add(d vault.Digest, p piece) {
	tag, ok := b.tags[d]
	if !ok {
		tag = len(b.wants)
		b.tags[d] = tag
		b.wants = append(b.wants, vault.Want{Digest: d, Tag: tag})
		b.first = append(b.first, noPiece)
	}
	p.next = b.first[tag]
	b.first[tag] = int32(len(b.pieces))
	b.pieces = append(b.pieces, p)
}

// hold counts what an entry keeps in memory until the batch is fetched.
func (b *batch) hold(path string, e vault.Entry) {
	b.weight += 500 + len(path) + 24*len(e.Extents)
	for _, x := range e.Xattrs {
		b.weight += len(x.Name) + len(x.Value) + 100
	}
	if e.Content != nil {
		b.weight += 48 * len(e.Content.List)
	}
}

func (b *batch) full() bool {
	return len(b.pieces) >= batchPieces || b.files >= batchFiles || b.weight >= batchWeight
}

// flush hands the collected batch over, waiting until the one before is done.
func (j *job) flush(ctx context.Context) error {
	if len(j.batch.wants) == 0 {
		return ctx.Err()
	}
	select {
	case j.batches <- j.batch:
		j.batch = newBatch()
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fetch reads a batch and puts every chunk where it belongs.
func (j *job) fetch(ctx context.Context, b *batch) error {
	err := j.reader.ReadMany(ctx, b.wants, func(got []vault.Got) error { return j.place(b, got) })
	if err == nil {
		err = ctx.Err() // a cancelled reader may have left wants out
	}
	return err
}

// place puts chunks where they belong, neighbours in one go where they are
// neighbours in their file too.
func (j *job) place(b *batch, got []vault.Got) error {
	for i := 0; i < len(got); {
		n, data := b.run(got[i:])
		for k := b.first[got[i].Tag]; k != noPiece; k = b.pieces[k].next {
			p := b.pieces[k]
			if n > 1 { // the pieces of a run are counted as one
				p.length = int64(len(data))
				p.out.left.Add(int64(1 - n))
			}
			if err := j.put(p, data, got[i].Err); err != nil {
				return err
			}
		}
		i += n
	}
	return nil
}

// run tells how many of the chunks at the front follow one another both in
// memory and in one file, and gives their bytes.
func (b *batch) run(got []vault.Got) (n int, data []byte) {
	first := got[0]
	data = first.Data
	at := b.first[first.Tag]
	if first.Err != nil || first.Offset < 0 || b.pieces[at].next != noPiece || int64(len(data)) != b.pieces[at].length {
		return 1, data
	}
	for n = 1; n < len(got); n++ {
		next := got[n]
		k := b.first[next.Tag]
		p := b.pieces[k]
		fits := next.Err == nil && next.Offset == first.Offset+len(data) && p.next == noPiece && int64(len(next.Data)) == p.length &&
			p.out == b.pieces[at].out && p.at == b.pieces[at].at+int64(len(data))
		if !fits {
			break
		}
		data = first.Data[: len(data)+len(next.Data) : len(data)+len(next.Data)]
	}
	return n, data
}

// put writes a piece, or notes why it cannot be had. Errors are those that
// end the restore.
func (j *job) put(p piece, data []byte, err error) error {
	if err == nil && int64(len(data)) != p.length {
		err = errkind.New(errkind.Damaged, "a chunk of %d bytes stands where %d belong", len(data), p.length)
	}
	if err == nil && p.out.failure() == nil {
		err = p.out.layout.each(p.at, p.length, func(off, from, to int64) error {
			return j.target.WriteAt(p.out.path, data[from:to], off)
		})
		if err != nil && !errkind.Is(err, errkind.Damaged) && !concernsOne(err) {
			return err
		}
	}
	if err != nil {
		p.out.fail(err)
	}
	p.out.counted.Add(p.length)
	j.tally.advance(p.length, 0, 0)
	return j.arrived(p.out)
}
