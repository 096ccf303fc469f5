package tlog

import (
	"fmt"
	"strconv"
	"strings"
)

// A tile names one object under tile/ and says how many items it holds: a hash
// tile of the level given, or the bundle of records when level is bundleLevel.
type tile struct {
	level int
	index int64
	width int
}

const (
	bundleLevel = -1
	maxLevel    = 63
)

// name gives the object's name as tlog-tiles defines it: the index in groups
// of three digits, all but the last behind an "x", and the width of a tile
// that is not full.
func (t tile) name() string {
	level := "entries"
	if t.level != bundleLevel {
		level = strconv.Itoa(t.level)
	}
	index := fmt.Sprintf("%03d", t.index%1000)
	for rest := t.index / 1000; rest > 0; rest /= 1000 {
		index = fmt.Sprintf("x%03d/%s", rest%1000, index)
	}
	name := "tile/" + level + "/" + index
	if t.width != tileWidth {
		name += ".p/" + strconv.Itoa(t.width)
	}
	return name
}

// full is the tile that replaces t once it has filled up.
func (t tile) full() tile { return tile{t.level, t.index, tileWidth} }

// first is the index of the first record a bundle or leaf tile speaks of.
func (t tile) first() int64 { return t.index << tileHeight }

// parseName reads a name back; ok is false for anything that name would not
// have written.
func parseName(name string) (t tile, ok bool) {
	parts := strings.Split(name, "/")
	if len(parts) < 3 || parts[0] != "tile" {
		return tile{}, false
	}
	t = tile{level: bundleLevel, width: tileWidth}
	var err error
	if parts[1] != "entries" {
		if t.level, err = strconv.Atoi(parts[1]); err != nil || t.level < 0 || t.level > maxLevel {
			return tile{}, false
		}
	}
	digits := parts[2:]
	if n := len(digits); n >= 2 && strings.HasSuffix(digits[n-2], ".p") {
		if t.width, err = strconv.Atoi(digits[n-1]); err != nil || t.width < 1 || t.width >= tileWidth {
			return tile{}, false
		}
		digits = digits[:n-1]
		digits[n-2] = strings.TrimSuffix(digits[n-2], ".p")
	}
	if len(digits) > 6 { // 10^18 tiles: more than an int64 of records needs
		return tile{}, false
	}
	for _, d := range digits {
		v, err := strconv.Atoi(strings.TrimPrefix(d, "x"))
		if err != nil || v < 0 || v > 999 {
			return tile{}, false
		}
		t.index = t.index*1000 + int64(v)
	}
	return t, t.name() == name
}

// bundleOf gives the bundle with that index in a log of size records.
func bundleOf(index, size int64) tile {
	return tile{bundleLevel, index, widthOf(0, index, size)}
}

// widthOf is how many items the tile at that level and index holds in a log of
// size records: 256 when full, 0 or less when it is not there at all.
func widthOf(level int, index, size int64) int {
	count := itemsAt(level, size)
	if count>>tileHeight > index {
		return tileWidth
	}
	if count>>tileHeight < index {
		return 0
	}
	return int(count & (tileWidth - 1))
}

// itemsAt is how many hashes a level has in a log of size records.
func itemsAt(level int, size int64) int64 {
	if level < 0 {
		level = 0
	}
	if level >= 8 { // 256^8 records do not fit an int64
		return 0
	}
	return size >> (tileHeight * level)
}
