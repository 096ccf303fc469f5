package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"
)

type headerClear struct {
	Format uint64 `cbor:"1,keyasint"`
	Vault  []byte `cbor:"2,keyasint"`
}

type ownerClear struct {
	Vault []byte `cbor:"1,keyasint"`
	Epoch uint64 `cbor:"2,keyasint"`
}

type recordClear struct {
	Vault    []byte `cbor:"1,keyasint"`
	Number   uint64 `cbor:"2,keyasint"`
	Previous []byte `cbor:"3,keyasint"`
	Body     []byte `cbor:"5,keyasint"`
	Facts    uint64 `cbor:"6,keyasint"`
}

type recordBody struct {
	Facts []struct {
		Kind  string `cbor:"1,keyasint"`
		Value []byte `cbor:"2,keyasint"`
	} `cbor:"3,keyasint"`
}

type intentClear struct {
	Vault  []byte `cbor:"1,keyasint"`
	Point  []byte `cbor:"2,keyasint"`
	Name   string `cbor:"4,keyasint"`
	Digest []byte `cbor:"5,keyasint"`
	Body   []byte `cbor:"7,keyasint"`
}

type pointClear struct {
	Vault    []byte `cbor:"1,keyasint"`
	ID       []byte `cbor:"2,keyasint"`
	Source   []byte `cbor:"3,keyasint"`
	Number   uint64 `cbor:"4,keyasint"`
	Previous []byte `cbor:"5,keyasint"`
	Received stamp  `cbor:"7,keyasint"`
	Root     []byte `cbor:"10,keyasint"`
	Body     []byte `cbor:"11,keyasint"`
	Packs    struct {
		Names []byte `cbor:"1,keyasint"` // empty where the list is relative to another point
	} `cbor:"12,keyasint"`
	Complete bool   `cbor:"13,keyasint"`
	Size     uint64 `cbor:"16,keyasint"`
	Entries  uint64 `cbor:"17,keyasint"`
}

type pointBody struct {
	Problems []struct {
		_         struct{} `cbor:",toarray"`
		Path      []byte
		Operation string
		Message   string
	} `cbor:"6,keyasint"`
	Fuzzy [][]byte `cbor:"8,keyasint"`
}

// point is a committed point whose object was checked.
type point struct {
	pointClear
	source string
	body   pointBody
}

// checkHeader wants two equal, well signed headers of this vault.
func (r *reader) checkHeader() {
	for _, name := range []string{"header", "keys/header"} {
		data, err := os.ReadFile(filepath.Join(r.root, name))
		var c headerClear
		if err == nil {
			_, err = r.readSigned(data, "CFV1head", &c)
		}
		if err == nil && (c.Format != 1 || !bytes.Equal(c.Vault, r.vaultID[:])) {
			err = errors.New("another format or another vault")
		}
		if err != nil {
			r.problem("%s: %v", name, err)
		}
	}
}

// names lists the files of a folder whose names match, in ascending order.
func (r *reader) names(folder string, like *regexp.Regexp) []string {
	entries, err := os.ReadDir(filepath.Join(r.root, folder))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		r.problem("%s: %v", folder, err)
	}
	var out []string
	for _, e := range entries {
		if like.MatchString(e.Name()) {
			out = append(out, e.Name())
		}
	}
	sort.Strings(out)
	return out
}

func (r *reader) checkOwners() {
	for _, name := range r.names("governance/owner", regexp.MustCompile(`^\d{10}$`)) {
		data, err := os.ReadFile(filepath.Join(r.root, "governance/owner", name))
		var c ownerClear
		if err == nil {
			_, err = r.readSigned(data, "CFV1ownr", &c)
		}
		if err == nil && (!bytes.Equal(c.Vault, r.vaultID[:]) || fmt.Sprintf("%010d", c.Epoch) != name) {
			err = errors.New("owner epoch does not match its name or vault")
		}
		if err != nil {
			r.problem("governance/owner/%s: %v", name, err)
		}
	}
}

// chain checks that numbers ascend from 1 and that each object names the one before.
type chain struct {
	gap    func(first, last uint64) // told of missing numbers; nil makes them a fault
	number uint64
	digest []byte // empty before the first
	broken bool   // the object before is not known
}

func (c *chain) next(number uint64, previous []byte, object []byte) (err error) {
	switch {
	case number <= c.number, number != c.number+1 && c.gap == nil:
		err = fmt.Errorf("number %d follows %d", number, c.number)
	case number != c.number+1:
		c.gap(c.number+1, number-1)
	case !c.broken && !bytes.Equal(previous, c.digest):
		err = errors.New("hash of the previous object differs")
	}
	sum := sha256.Sum256(object)
	c.number, c.digest, c.broken = number, sum[:], false
	return err
}

// skip steps over an object that cannot be read.
func (c *chain) skip() { c.number, c.broken = c.number+1, true }

func (r *reader) checkGovernance() {
	var links chain
	for _, name := range r.names("governance", regexp.MustCompile(`^\d{16}$`)) {
		data, err := os.ReadFile(filepath.Join(r.root, "governance", name))
		var c recordClear
		if err == nil {
			c, err = r.readRecord(data)
		}
		if err == nil && fmt.Sprintf("%016d", c.Number) != name {
			err = errors.New("number does not match the name")
		}
		if err != nil {
			links.skip()
		} else {
			err = links.next(c.Number, c.Previous, data)
		}
		if err != nil {
			r.problem("governance/%s: %v", name, err)
		}
	}
}

func (r *reader) readRecord(data []byte) (c recordClear, err error) {
	o, err := r.readSigned(data, "CFV1gove", &c)
	if err != nil {
		return c, err
	}
	plain, err := r.openBody(o, c.Body)
	if err != nil {
		return c, err
	}
	var b recordBody
	if err := decode(plain, &b); err != nil {
		return c, err
	}
	if !bytes.Equal(c.Vault, r.vaultID[:]) || uint64(len(b.Facts)) != c.Facts {
		return c, errors.New("another vault or another number of facts")
	}
	return c, nil
}

// readPoints reads every point of every source and follows each source's chain. A number may be missing lawfully, so it
// is only printed.
func (r *reader) readPoints() []*point {
	var out []*point
	for _, source := range r.names("points", regexp.MustCompile(`^[0-7][0-9a-hjkmnp-tv-z]{25}$`)) {
		links := chain{gap: func(first, last uint64) { r.say("missing points %d to %d of source %s", first, last, source) }}
		last := ""
		for _, file := range r.names("points/"+source, regexp.MustCompile(`^\d{10}(\.intent)?$`)) {
			name := "points/" + source + "/" + strings.TrimSuffix(file, ".intent")
			if name == last {
				continue // the intent of the point just read
			}
			last = name
			p, data := r.readPoint(name)
			if p == nil {
				links.skip()
				continue
			}
			if err := links.next(p.Number, p.Previous, data); err != nil {
				r.problem("%s: %v", name, err)
			}
			out = append(out, p)
		}
	}
	return out
}

// readPoint reads a point, and its intent, which must agree with it and stands in for it.
func (r *reader) readPoint(name string) (*point, []byte) {
	data, err := os.ReadFile(filepath.Join(r.root, name))
	var p *point
	if err == nil {
		p, err = r.parsePoint(name, data)
	}
	if err != nil {
		r.problem("%s: %v", name, err)
	}
	twin, copied, twinErr := r.fromIntent(name)
	if twinErr == nil && err == nil && !bytes.Equal(copied, data) {
		twinErr = errors.New("holds another point")
	}
	if twinErr != nil {
		r.problem("%s.intent: %v", name, twinErr)
	}
	if err != nil {
		p, data = twin, copied
	}
	return p, data
}

// fromIntent takes the second copy of a point, out of its intent.
func (r *reader) fromIntent(name string) (*point, []byte, error) {
	data, err := os.ReadFile(filepath.Join(r.root, name+".intent"))
	if err != nil {
		return nil, nil, err
	}
	var c intentClear
	o, err := r.readSigned(data, "CFV1itnt", &c)
	if err != nil {
		return nil, nil, err
	}
	object, err := r.openBody(o, c.Body)
	if err != nil {
		return nil, nil, err
	}
	if sum := sha256.Sum256(object); !bytes.Equal(sum[:], c.Digest) || c.Name != name || !bytes.Equal(c.Vault, r.vaultID[:]) {
		return nil, nil, errors.New("not the point that it announces")
	}
	p, err := r.parsePoint(name, object)
	if err != nil {
		return nil, nil, err
	}
	if !bytes.Equal(c.Point, p.ID) {
		return nil, nil, errors.New("intent of another point")
	}
	return p, object, nil
}

func (r *reader) parsePoint(name string, data []byte) (*point, error) {
	p := &point{}
	o, err := r.readSigned(data, "CFV1poin", &p.pointClear)
	if err != nil {
		return nil, err
	}
	p.source = crockford(p.Source)
	if !bytes.Equal(p.Vault, r.vaultID[:]) || fmt.Sprintf("points/%s/%010d", p.source, p.Number) != name {
		return nil, errors.New("point does not match its name or vault")
	}
	plain, err := r.openBody(o, p.Body)
	if err == nil {
		err = decode(plain, &p.body)
	}
	return p, err
}

// crockford writes a ULID's 16 bytes as 26 characters; the first stands for the top 3 bits.
func crockford(id []byte) string {
	const digits = "0123456789abcdefghjkmnpqrstvwxyz"
	var out strings.Builder
	for bit := -2; bit < 128; bit += 5 {
		value := 0
		for i := bit; i < bit+5; i++ {
			value <<= 1
			if i >= 0 && i/8 < len(id) && id[i/8]&(0x80>>(i%8)) != 0 {
				value |= 1
			}
		}
		out.WriteByte(digits[value])
	}
	return out.String()
}

// choose finds the point that the command line names.
func choose(points []*point, which string) (*point, error) {
	source, number, exact := strings.Cut(which, "/")
	if !exact {
		source, number = "", which
	}
	want, err := strconv.ParseUint(number, 10, 64)
	if number != "latest" && err != nil {
		return nil, fmt.Errorf("point %q: want SOURCE/NUMBER, SOURCE/latest or latest", which)
	}
	var found *point
	for _, p := range points {
		if (source != "" && p.source != source) || (number != "latest" && p.Number != want) {
			continue
		}
		if found == nil || p.Received.time().After(found.Received.time()) {
			found = p
		}
	}
	if found == nil {
		return nil, fmt.Errorf("point %q not found", which)
	}
	return found, nil
}
