package main

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/fxamacker/cbor/v2"
)

// Kinds of entries.
const (
	kindFile    = 1
	kindFolder  = 2
	kindSymlink = 3
)

type node struct {
	_     struct{} `cbor:",toarray"`
	Type  uint64
	Items []cbor.RawMessage
}

type entry struct {
	Name    []byte   `cbor:"1,keyasint"`
	Kind    uint64   `cbor:"2,keyasint"`
	Mode    uint32   `cbor:"3,keyasint"`
	Mtime   stamp    `cbor:"8,keyasint"`
	Size    uint64   `cbor:"9,keyasint"`
	Target  []byte   `cbor:"10,keyasint"`
	Xattrs  []xattr  `cbor:"13,keyasint"`
	Group   []byte   `cbor:"15,keyasint"`
	Sparse  bool     `cbor:"16,keyasint"`
	Extents []extent `cbor:"17,keyasint"`
	Content content  `cbor:"18,keyasint"`
	Node    []byte   `cbor:"19,keyasint"`
	Fuzzy   bool     `cbor:"20,keyasint"`
}

type xattr struct {
	_     struct{} `cbor:",toarray"`
	Name  []byte
	Value []byte
}

type extent struct {
	_      struct{} `cbor:",toarray"`
	Offset uint64
	Length uint64
}

type content struct {
	_     struct{} `cbor:",toarray"`
	Cut   uint64
	Depth uint64
	List  []item
}

type item struct {
	_      struct{} `cbor:",toarray"`
	Digest []byte
	Length uint64
}

type branch struct {
	_     struct{} `cbor:",toarray"`
	First []byte
	Node  []byte
	Count uint64
}

// describe prints what the point says of itself, and reports packs that it needed at commit and that are not there.
func (r *reader) describe(p *point) {
	r.say("point %s/%d complete=%t entries=%d size=%d", p.source, p.Number, p.Complete, p.Entries, p.Size)
	for _, f := range p.body.Problems {
		r.say("problem %q %s: %s", f.Path, f.Operation, f.Message)
	}
	for _, path := range p.body.Fuzzy {
		r.say("fuzzy %q", path)
	}
	for names := p.Packs.Names; len(names) >= 32; names = names[32:] {
		name := hex.EncodeToString(names[:32])
		found, err := filepath.Glob(filepath.Join(r.root, "packs", "*", name[:2], name))
		if err != nil || len(found) == 0 {
			r.problem("pack %s is missing", name)
		}
	}
}

// restorer makes the tree of one point below a target folder.
type restorer struct {
	*reader
	groups map[string]string // link group to the first path made
}

func (r *reader) restore(p *point, target string) error {
	root, err := r.node(p.Root, 1)
	if err != nil {
		return fmt.Errorf("root: %w", err)
	}
	var e entry
	if len(root) != 1 {
		return errors.New("root has not exactly one entry")
	}
	if err := decode(root[0], &e); err != nil {
		return err
	}
	if len(e.Name) != 0 || e.Kind != kindFolder {
		return errors.New("root is not a folder without name")
	}
	t := &restorer{reader: r, groups: map[string]string{}}
	return t.folder(e, target)
}

// node reads a node of a tree and wants one of two types.
func (r *reader) node(digest []byte, types ...uint64) ([]cbor.RawMessage, error) {
	n, err := r.anyNode(digest)
	if err != nil {
		return nil, err
	}
	for _, t := range types {
		if n.Type == t {
			return n.Items, nil
		}
	}
	return nil, fmt.Errorf("node %x has type %d", digest, n.Type)
}

func (r *reader) anyNode(digest []byte) (n node, err error) {
	data, err := r.chunk(true, digest)
	if err != nil {
		return n, err
	}
	return n, decode(data, &n)
}

// folder fills an existing folder and gives it its mode and time last.
func (t *restorer) folder(e entry, path string) error {
	last := []byte{}
	err := t.children(e.Node, func(child entry) error {
		if err := checkName(child.Name, last); err != nil {
			return err
		}
		last = bytes.Clone(child.Name)
		below := filepath.Join(path, string(child.Name))
		if err := t.entry(child, below); err != nil {
			t.problem("%s: %v", below, err)
		}
		return nil
	}, nil)
	if err != nil {
		t.problem("folder %s: %v", path, err)
	}
	return setModeAndTime(path, e)
}

func checkName(name, last []byte) error {
	if len(name) == 0 || bytes.ContainsAny(name, "/\x00") || string(name) == "." || string(name) == ".." {
		return fmt.Errorf("name %q is not allowed", name)
	}
	if bytes.Compare(name, last) <= 0 {
		return errors.New("names do not ascend")
	}
	return nil
}

// children walks the node of a directory and the branches above it. A piece that cannot be read is reported; the others are walked.
func (t *restorer) children(digest []byte, visit func(entry) error, above *branch) error {
	n, err := t.anyNode(digest)
	if err != nil {
		return err
	}
	for i, raw := range n.Items {
		switch n.Type {
		case 1:
			var e entry
			if err := decode(raw, &e); err != nil {
				return err
			}
			if i == 0 && above != nil && !bytes.Equal(e.Name, above.First) {
				return errors.New("first name differs from the branch above")
			}
			if err := visit(e); err != nil {
				return err
			}
		case 2:
			var b branch
			if err := decode(raw, &b); err != nil {
				return err
			}
			if err := t.children(b.Node, visit, &b); err != nil {
				t.problem("entries from %q on: %v", b.First, err)
			}
		default:
			return fmt.Errorf("node of type %d in a directory", n.Type)
		}
	}
	if n.Type == 1 && above != nil && uint64(len(n.Items)) != above.Count {
		return errors.New("number of entries differs from the branch above")
	}
	return nil
}

func (t *restorer) entry(e entry, path string) error {
	for _, x := range e.Xattrs {
		t.say("xattr %q %q %q", path, x.Name, x.Value)
	}
	switch e.Kind {
	case kindFolder:
		if err := os.Mkdir(path, 0o700); err != nil {
			return err
		}
		return t.folder(e, path)
	case kindFile:
		if first, ok := t.groups[string(e.Group)]; ok {
			return os.Link(first, path)
		}
		if err := t.file(e, path); err != nil {
			return errors.Join(err, os.Remove(path)) // half a file is worse than none
		}
		if len(e.Group) > 0 {
			t.groups[string(e.Group)] = path
		}
		return setModeAndTime(path, e)
	case kindSymlink:
		if err := os.Symlink(string(e.Target), path); err != nil {
			return err
		}
		return setLinkTime(path, e.Mtime.time())
	default:
		t.say("not made %q kind %d", path, e.Kind)
		return nil
	}
}

func setModeAndTime(path string, e entry) error {
	mode := os.FileMode(e.Mode & 0o777)
	for bit, flag := range map[uint32]os.FileMode{0o4000: os.ModeSetuid, 0o2000: os.ModeSetgid, 0o1000: os.ModeSticky} {
		if e.Mode&bit != 0 {
			mode |= flag
		}
	}
	if err := os.Chmod(path, mode); err != nil {
		return err
	}
	return os.Chtimes(path, e.Mtime.time(), e.Mtime.time())
}

// file writes the content stream, each extent at its place.
func (t *restorer) file(e entry, path string) error {
	extents := e.Extents
	if !e.Sparse {
		extents = []extent{{Length: e.Size}}
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	w := &extentWriter{file: f, extents: extents}
	err = t.stream(e.Content.List, e.Content.Depth, w.write)
	if err == nil {
		err = w.finish(e.Size)
	}
	return errors.Join(err, f.Close())
}

// stream hands the chunks of a content list to write, in order.
func (r *reader) stream(list []item, depth uint64, write func([]byte) error) error {
	for _, it := range list {
		if depth == 0 {
			data, err := r.chunk(false, it.Digest)
			if err != nil {
				return err
			}
			if uint64(len(data)) != it.Length {
				return errors.New("length of a chunk differs from the list")
			}
			if err := write(data); err != nil {
				return err
			}
			continue
		}
		raw, err := r.node(it.Digest, 3)
		if err != nil {
			return err
		}
		below, total := make([]item, len(raw)), uint64(0)
		for i := range raw {
			if err := decode(raw[i], &below[i]); err != nil {
				return err
			}
			total += below[i].Length
		}
		if total != it.Length {
			return errors.New("length of a list node differs from the list above")
		}
		if err := r.stream(below, depth-1, write); err != nil {
			return err
		}
	}
	return nil
}

// extentWriter spreads a stream over the extents of a file.
type extentWriter struct {
	file    *os.File
	extents []extent
	done    uint64 // bytes written of the first extent
}

func (w *extentWriter) write(data []byte) error {
	for len(data) > 0 {
		for len(w.extents) > 0 && w.done == w.extents[0].Length {
			w.extents, w.done = w.extents[1:], 0
		}
		if len(w.extents) == 0 {
			return errors.New("more content than the entry's size")
		}
		n := min(uint64(len(data)), w.extents[0].Length-w.done)
		if _, err := w.file.WriteAt(data[:n], int64(w.extents[0].Offset+w.done)); err != nil {
			return err
		}
		data, w.done = data[n:], w.done+n
	}
	return nil
}

// finish checks that all extents were filled and gives the file its size.
func (w *extentWriter) finish(size uint64) error {
	for i, x := range w.extents {
		if (i == 0 && w.done != x.Length) || (i > 0 && x.Length != 0) || x.Offset+x.Length > size {
			return errors.New("less content than the entry's size")
		}
	}
	return w.file.Truncate(int64(size))
}
