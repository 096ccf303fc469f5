package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// placeKey names a chunk: data and nodes of trees are kept apart.
type placeKey struct {
	tree   bool
	digest [32]byte
}

// frameKey names a frame of a pack.
type frameKey struct {
	pack string
	n    uint32
}

// place is where a chunk lies.
type place struct {
	frameKey
	magic  string
	offset int64 // of the sealed frame in the pack
	frame  frame
	at     uint64 // of the chunk in the frame's plaintext
	length uint64
}

type directory struct {
	_       struct{} `cbor:",toarray"`
	Version uint64
	Frames  []frame
}

type frame struct {
	_           struct{} `cbor:",toarray"`
	Compression byte
	Sealed      uint32
	Plain       uint32
	Lengths     []uint32
	Digests     []byte
}

// readPacks builds the map of all chunks from the packs' directories.
func (r *reader) readPacks() error {
	r.places = map[placeKey][]place{}
	r.frames = map[frameKey][]byte{}
	for folder, magic := range map[string]string{"data": "CFV1pckd", "tree": "CFV1pckt"} {
		paths, err := filepath.Glob(filepath.Join(r.root, "packs", folder, "??", "????????????????????????????????????????????????????????????????"))
		if err != nil {
			return err
		}
		for _, path := range paths {
			if err := r.readPack(path, magic); err != nil {
				r.problem("%s: %v", path, err)
			}
		}
	}
	return nil
}

// readPack checks the pack's name and reads its directory. A pack with a wrong name is reported; what still opens is used.
func (r *reader) readPack(path, magic string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	size, err := io.Copy(sum, f)
	if err != nil {
		return err
	}
	name := hex.EncodeToString(sum.Sum(nil))
	if name != filepath.Base(path) || name[:2] != filepath.Base(filepath.Dir(path)) {
		r.problem("%s: name is not the SHA256 of the bytes", path)
	}
	if size < 88+12 {
		return errors.New("pack too short")
	}
	head, tail := make([]byte, 88), make([]byte, 12)
	if _, err := f.ReadAt(head, 0); err != nil {
		return err
	}
	if _, err := f.ReadAt(tail, size-12); err != nil {
		return err
	}
	if string(head[:8]) != magic || !bytes.Equal(head[8:24], r.vaultID[:]) || string(tail[4:]) != "CFV1pend" {
		return errors.New("pack's start or end is malformed")
	}
	length := int64(binary.BigEndian.Uint32(tail))
	if length > size-88-12 {
		return errors.New("directory longer than the pack")
	}
	sealed := make([]byte, length)
	if _, err := f.ReadAt(sealed, size-12-length); err != nil {
		return err
	}
	plain, err := r.openFrame(magic, head[24:88], sealed, 0xFFFFFFFF)
	if err != nil {
		return fmt.Errorf("directory: %w", err)
	}
	var d directory
	if err := decode(plain, &d); err != nil {
		return err
	}
	return r.addPlaces(path, magic, d, size-12-length)
}

func (r *reader) addPlaces(path, magic string, d directory, end int64) error {
	if d.Version != 1 {
		return errors.New("unknown version of the directory")
	}
	offset := int64(88)
	for n, fr := range d.Frames {
		if len(fr.Digests) != 32*len(fr.Lengths) || offset+int64(fr.Sealed) > end {
			return errors.New("directory contradicts itself")
		}
		at := uint64(0)
		for i, length := range fr.Lengths {
			key := placeKey{magic == "CFV1pckt", [32]byte(fr.Digests[32*i:])}
			r.places[key] = append(r.places[key], place{frameKey{path, uint32(n)}, magic, offset, fr, at, uint64(length)})
			at += uint64(length)
		}
		if at != uint64(fr.Plain) {
			return errors.New("directory contradicts itself")
		}
		offset += int64(fr.Sealed)
	}
	return nil
}

// chunk returns the bytes with this digest, from the first place where they are whole.
func (r *reader) chunk(tree bool, digest []byte) ([]byte, error) {
	d, err := toBytes32(digest)
	if err != nil {
		return nil, err
	}
	err = fmt.Errorf("chunk %x: not in any pack", digest)
	for _, p := range r.places[placeKey{tree, d}] {
		var plain []byte
		if plain, err = r.readFrame(p); err == nil {
			data := plain[p.at : p.at+p.length]
			if sha256.Sum256(data) == d {
				return data, nil
			}
			err = errors.New("digest differs")
		}
		err = fmt.Errorf("chunk %x in %s: %w", digest, filepath.Base(p.pack), err)
	}
	return nil, err
}

// readFrame opens a frame, keeping a few of them.
func (r *reader) readFrame(p place) ([]byte, error) {
	if plain, ok := r.frames[p.frameKey]; ok {
		return plain, nil
	}
	f, err := os.Open(p.pack)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	head, sealed := make([]byte, 88), make([]byte, p.frame.Sealed)
	if _, err := f.ReadAt(head, 0); err != nil {
		return nil, err
	}
	if _, err := f.ReadAt(sealed, p.offset); err != nil {
		return nil, err
	}
	plain, err := r.openFrame(p.magic, head[24:88], sealed, p.n)
	if err != nil {
		return nil, err
	}
	if plain, err = inflate(p.frame.Compression, plain, p.frame.Plain); err != nil {
		return nil, err
	}
	if len(r.frames) >= 16 {
		clear(r.frames)
	}
	r.frames[p.frameKey] = plain
	return plain, nil
}
