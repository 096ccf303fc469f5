package blob

import (
	"context"
	"fmt"
	"io/fs"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// maxLogObject bounds what a log keeps under one name: 256 entries of 64 KiB
// with room for their framing.
const maxLogObject = 32 << 20

// LogStore keeps the tiles and checkpoints of a Merkle log as the objects of a
// bucket under one prefix.
type LogStore struct {
	bucket *Bucket
	prefix string
}

// NewLogStore makes a log store on the objects of bucket whose names begin
// with prefix, which is empty or ends with a slash.
func NewLogStore(bucket *Bucket, prefix string) *LogStore {
	return &LogStore{bucket: bucket, prefix: prefix}
}

// Read returns the object called name. An error for one that is missing is
// both fs.ErrNotExist and errkind.NotFound.
func (s *LogStore) Read(ctx context.Context, name string) ([]byte, error) {
	data, err := s.bucket.ReadAll(ctx, s.prefix+name, maxLogObject)
	if errkind.Is(err, errkind.NotFound) {
		return nil, fmt.Errorf("%w (%w)", err, fs.ErrNotExist)
	}
	return data, err
}

// Write stores data under name, replacing what was there in one step; it is
// durable on return.
func (s *LogStore) Write(ctx context.Context, name string, data []byte) error {
	_, err := s.bucket.Put(ctx, s.prefix+name, data, PutOptions{Replace: true})
	return err
}
