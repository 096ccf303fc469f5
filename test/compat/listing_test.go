//go:build unix

package compat

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/counterfoil/counterfoil/internal/vault"
)

// A listing has one line per entry, in order of the walk:
//
//	kind mode mtime size sha256 "path" [-> "target"] [link=N] [| what only the engine gives back]
//
// Before the bar stands what anybody sees in a restored folder. Size and sha256 are those of a file's whole bytes.

// bar begins what a restored folder does not show.
const bar = " | "

// line is one entry as a restored folder shows it.
type line struct {
	kind   string
	mode   uint32
	mtime  time.Time
	size   int64
	sum    string
	path   string
	target string
	link   int
}

func (l line) String() string {
	s := fmt.Sprintf("%s %04o %s", l.kind, l.mode, l.mtime.UTC().Format(time.RFC3339Nano))
	if l.kind == "file" {
		s += fmt.Sprintf(" %d %s", l.size, l.sum)
	}
	s += fmt.Sprintf(" %q", l.path)
	if l.kind == "symlink" {
		s += fmt.Sprintf(" -> %q", l.target)
	}
	if l.link > 0 {
		s += fmt.Sprintf(" link=%d", l.link)
	}
	return s
}

// splitListing gives the lines of a listing that the mini reader makes, without what only the engine gives back, and the
// paths of those that it does not make.
func splitListing(listing string) (made string, others []string) {
	var out strings.Builder
	for text := range strings.Lines(listing) {
		text = strings.TrimSuffix(text, "\n")
		kind, _, _ := strings.Cut(text, " ")
		before, _, _ := strings.Cut(text, bar)
		switch kind {
		case "file", "dir", "symlink":
			out.WriteString(before + "\n")
		default:
			_, quoted, _ := strings.Cut(before, `"`)
			others = append(others, strings.TrimSuffix(quoted, `"`))
		}
	}
	return out.String(), others
}

// folderListing lists a restored folder.
func folderListing(root string) (string, error) {
	var out strings.Builder
	links := map[uint64]int{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		l, err := restoredLine(root, path, d, links)
		out.WriteString(l.String() + "\n")
		return err
	})
	return out.String(), err
}

func restoredLine(root, path string, d fs.DirEntry, links map[uint64]int) (line, error) {
	info, err := d.Info()
	if err != nil {
		return line{}, err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return line{}, fmt.Errorf("%s: no inode", path)
	}
	l := line{kind: "dir", mode: uint32(stat.Mode) & 0o7777, mtime: info.ModTime(), path: strings.TrimPrefix(path[len(root):], "/")}
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		l.kind = "symlink"
		l.target, err = os.Readlink(path)
	case info.Mode().IsRegular():
		l.kind, l.size = "file", info.Size()
		if stat.Nlink > 1 {
			if links[stat.Ino] == 0 {
				links[stat.Ino] = len(links) + 1
			}
			l.link = links[stat.Ino]
		}
		l.sum, err = sumFile(path)
	}
	return l, err
}

func sumFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	_, err = io.Copy(h, f)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return fmt.Sprintf("%x", h.Sum(nil)), err
}

// engineLister lists a point as the engine reads it.
type engineLister struct {
	ctx   context.Context
	r     *vault.Reader
	out   strings.Builder
	links map[string]int
}

func engineListing(ctx context.Context, v *vault.Vault, object string) (string, error) {
	p, err := v.ReadPoint(ctx, object)
	if err != nil {
		return "", err
	}
	r, err := v.NewReader(ctx)
	if err != nil {
		return "", err
	}
	root, err := r.Root(ctx, p.Envelope.Root)
	if err != nil {
		return "", err
	}
	l := &engineLister{ctx: ctx, r: r, links: map[string]int{}}
	err = l.entry("", root)
	return l.out.String(), err
}

func (l *engineLister) entry(path string, e vault.Entry) error {
	x := line{kind: kindNames[e.Kind], mode: e.Mode, mtime: e.MTime.Time(), size: e.Size, path: path, target: string(e.Target)}
	if g := string(e.LinkGroup); g != "" {
		if l.links[g] == 0 {
			l.links[g] = len(l.links) + 1
		}
		x.link = l.links[g]
	}
	if e.Kind == vault.Regular {
		var err error
		if x.sum, err = l.sum(e); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	l.out.WriteString(x.String() + bar + extras(e) + "\n")
	if e.Kind != vault.Dir {
		return nil
	}
	return l.r.ReadDir(l.ctx, *e.Tree, nil, func(child vault.Entry) error {
		return l.entry(strings.TrimPrefix(path+"/"+string(child.Name), "/"), child)
	})
}

var kindNames = map[vault.Kind]string{vault.Regular: "file", vault.Dir: "dir", vault.Symlink: "symlink", vault.Fifo: "fifo",
	vault.CharDevice: "char", vault.BlockDevice: "block", vault.Socket: "socket"}

// sum hashes the whole file, holes as zeros.
func (l *engineLister) sum(e vault.Entry) (string, error) {
	data := make([]byte, 0, e.Size)
	err := l.r.Chunks(l.ctx, e.Content, func(d vault.Digest, _ int64) error {
		chunk, err := l.r.Chunk(l.ctx, d)
		data = append(data, chunk...)
		return err
	})
	if err != nil {
		return "", err
	}
	if e.Sparse {
		whole := make([]byte, e.Size)
		for _, x := range e.Extents {
			copy(whole[x.Offset:x.Offset+x.Length], data)
			data = data[x.Length:]
		}
		data = whole
	}
	return fmt.Sprintf("%x", sha256.Sum256(data)), nil
}

// extras says what a restored folder need not show.
func extras(e vault.Entry) string {
	s := fmt.Sprintf("%d:%d %s:%s", e.UID, e.GID, e.User, e.Group)
	for _, x := range e.Xattrs {
		s += fmt.Sprintf(" %q=%q", x.Name, x.Value)
	}
	if e.Sparse {
		s += " extents"
		for _, x := range e.Extents {
			s += fmt.Sprintf(" %d+%d", x.Offset, x.Length)
		}
	}
	if e.Kind == vault.CharDevice || e.Kind == vault.BlockDevice {
		s += fmt.Sprintf(" device %d,%d", e.Major, e.Minor)
	}
	if e.Flags != 0 {
		s += fmt.Sprintf(" flags %#x", e.Flags)
	}
	if e.Fuzzy {
		s += " fuzzy"
	}
	return s
}
