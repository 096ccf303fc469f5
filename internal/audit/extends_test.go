package audit

import (
	"testing"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

func TestExtends_OnlyAPrefixOfTheLog(t *testing.T) {
	c, box := newConfig(t)
	l := openLog(t, c)
	var checkpoints [][]byte
	for i := range 3 {
		checkpoints = append(checkpoints, l.Checkpoint())
		if _, err := l.RecordStrict(t.Context(), event(i)); err != nil {
			t.Fatal(err)
		}
	}
	for size, raw := range checkpoints {
		if n, err := l.Extends(t.Context(), raw); err != nil || n != int64(size) {
			t.Errorf("checkpoint of %d records: %d, %v", size, n, err)
		}
	}
	ahead := c
	ahead.Dir, ahead.Outbox = t.TempDir(), &memOutbox{index: map[int64]int64{}}
	if err := Create(t.Context(), ahead); err != nil {
		t.Fatal(err)
	}
	other := openLog(t, ahead) // under the same key: another history
	for i := range 4 {
		if _, err := l.Extends(t.Context(), other.Checkpoint()); errkind.Is(err, errkind.Refused) != (i > 0) {
			t.Errorf("%d other records: %v", i, err)
		}
		if _, err := other.RecordStrict(t.Context(), event(50+i)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.Extends(t.Context(), other.Checkpoint()); !errkind.Is(err, errkind.Refused) {
		t.Errorf("a longer log: %v", err)
	}
	stranger, _ := newConfig(t)
	if _, err := l.Extends(t.Context(), openLog(t, stranger).Checkpoint()); err == nil || errkind.Is(err, errkind.Refused) {
		t.Errorf("a checkpoint under another key proves nothing: %v", err)
	}
	if err := l.Covers(t.Context(), 3); err != nil {
		t.Errorf("covers 3: %v", err)
	}
	if err := l.Covers(t.Context(), 4); !errkind.Is(err, errkind.Refused) {
		t.Errorf("covers 4: %v", err)
	}
	if _, err := l.Keep(t.Context(), event(9)); err != nil || len(box.rows) != 4 || l.Size() != 3 {
		t.Errorf("kept: %v, %d in the outbox, %d in the log", err, len(box.rows), l.Size())
	}
}
