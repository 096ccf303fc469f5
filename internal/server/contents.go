package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/api"
	"github.com/counterfoil/counterfoil/internal/erasure"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/gate"
	"github.com/counterfoil/counterfoil/internal/restore"
	"github.com/counterfoil/counterfoil/internal/source/files"
	"github.com/counterfoil/counterfoil/internal/vault"
)

func (s *Server) entries(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	path, err := api.QueryPath(r.URL.Query())
	if err != nil {
		return err
	}
	p, reader, row, err := s.read(ctx, r.PathValue("id"), "list "+printable(path))
	if err != nil {
		return err
	}
	erased, _, err := s.Custody.Erased(ctx, row.VaultID, p)
	if err != nil {
		return err
	}
	parts := splitPath(path, p)
	e, err := reader.Find(ctx, p.Envelope.Root, parts)
	if err != nil {
		return err
	}
	l := s.list(w)
	at := strings.Join(parts, "/")
	if e.Kind != vault.Dir {
		return l.end(l.item(marked(erased, at, e)))
	}
	recursive := r.URL.Query().Get("recursive") == "true"
	return l.end(listDir(ctx, reader, erased, at, *e.Tree, recursive, l))
}

func listDir(ctx context.Context, reader *vault.Reader, erased erasure.List, at string, dir vault.Digest, recursive bool, l *list) error {
	return reader.ReadDir(ctx, dir, nil, func(e vault.Entry) error {
		path := string(e.Name)
		if at != "" {
			path = at + "/" + path
		}
		if err := l.item(marked(erased, path, e)); err != nil {
			return err
		}
		if recursive && e.Kind == vault.Dir {
			return listDir(ctx, reader, erased, path, *e.Tree, true, l)
		}
		return nil
	})
}

func kindName(k vault.Kind) string {
	names := map[vault.Kind]string{vault.Regular: "file", vault.Dir: "dir", vault.Symlink: "symlink", vault.Fifo: "fifo",
		vault.CharDevice: "char_device", vault.BlockDevice: "block_device", vault.Socket: "socket"}
	return names[k]
}

func entryOf(path string, e vault.Entry) api.Entry {
	out := api.Entry{Kind: kindName(e.Kind), Mode: fmt.Sprintf("%04o", e.Mode), UID: e.UID, GID: e.GID, User: e.User, Group: e.Group,
		Size: e.Size, ModTime: e.MTime.Time(), Fuzzy: e.Fuzzy, Xattrs: len(e.Xattrs)}
	out.Path, out.PathRaw = api.EncodePath(path)
	out.Target, out.TargetRaw = api.EncodePath(string(e.Target))
	if len(e.LinkGroup) > 0 {
		out.HardLink = fmt.Sprintf("%x", e.LinkGroup)
	}
	return out
}

// printable is a path as the audit log has it.
func printable(path string) string { return strconv.Quote(path) }

func (s *Server) content(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	path, err := api.QueryPath(r.URL.Query())
	if err != nil {
		return err
	}
	p, reader, row, err := s.read(ctx, r.PathValue("id"), "read "+printable(path))
	if err != nil {
		return err
	}
	parts := splitPath(path, p)
	e, err := reader.Find(ctx, p.Envelope.Root, parts)
	if err != nil {
		return err
	}
	if e.Kind != vault.Regular {
		return errkind.New(errkind.Invalid, "%q is a %s: only files can be printed", path, kindName(e.Kind))
	}
	if err := s.mayGiveOut(ctx, row, p, strings.Join(parts, "/")); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Trailer", api.ProblemTrailer)
	if err := restore.Stream(ctx, reader, e, w); err != nil {
		problem, marshalErr := json.Marshal(api.NewProblem(err))
		if marshalErr == nil {
			w.Header().Set(api.ProblemTrailer, string(problem))
		}
	}
	return nil
}

func (s *Server) diff(w http.ResponseWriter, r *http.Request) error {
	ctx, q := r.Context(), r.URL.Query()
	from, _, fromRow, err := s.read(ctx, q.Get("from"), "compare")
	if err != nil {
		return err
	}
	to, reader, toRow, err := s.read(ctx, q.Get("to"), "compare")
	if err != nil {
		return err
	}
	erasedFrom, _, err := s.Custody.Erased(ctx, fromRow.VaultID, from)
	if err != nil {
		return err
	}
	erasedTo, _, err := s.Custody.Erased(ctx, toRow.VaultID, to)
	if err != nil {
		return err
	}
	if from.Envelope.Vault != to.Envelope.Vault {
		return errkind.New(errkind.Unsupported, "the two points lie in different vaults: this version compares points of one vault")
	}
	l := s.list(w)
	return l.end(reader.Diff(ctx, from.Envelope.Root, to.Envelope.Root, func(c vault.Change) error { return l.item(differenceOf(c, erasedFrom, erasedTo)) }))
}

func differenceOf(c vault.Change, erasedFrom, erasedTo erasure.List) api.Difference {
	var d api.Difference
	d.Path, d.PathRaw = api.EncodePath(c.Path)
	if c.Before != nil {
		e := marked(erasedFrom, c.Path, *c.Before)
		d.Before = &e
	}
	if c.After != nil {
		e := marked(erasedTo, c.Path, *c.After)
		d.After = &e
	}
	switch {
	case c.Before == nil:
		d.Change = "added"
	case c.After == nil:
		d.Change = "removed"
	case c.Before.Kind != c.After.Kind:
		d.Change = "kind"
	default:
		d.Fields = files.Diff(*c.Before, *c.After)
		d.Change = "metadata"
		if c.ContentDiffers() {
			d.Change = "modified"
			d.Fields = append(d.Fields, "content")
		}
	}
	return d
}

func (s *Server) restore(w http.ResponseWriter, r *http.Request) error {
	var in api.Restore
	if err := readJSON(r, &in); err != nil {
		return err
	}
	opts := restore.Options{To: api.DecodePath(in.To, in.ToRaw), Verify: in.Verify}
	for _, p := range api.DecodePaths(in.Paths, in.PathsRaw) {
		opts.Paths = append(opts.Paths, []byte(p))
	}
	var err error
	if opts.Overwrite, err = overwrite(in.Overwrite); err != nil {
		return err
	}
	row, err := s.Catalog.Point(r.Context(), in.Point)
	if err != nil {
		return err
	}
	var report restore.Report
	request, err := s.restoreRequest(row, in)
	if err != nil {
		return err
	}
	st := s.stream(w)
	err = s.Gate.Do(r.Context(), request, func(ctx context.Context, g access.Grant) (gate.Outcome, error) {
		var err error
		_, report, err = s.Jobs.Restore(ctx, g, row.ID, opts, func(p restore.Progress) {
			st.progress(api.Progress{Step: "restore", Done: p.Done, Total: p.Total, Unit: "bytes", Files: p.Files})
		})
		return gate.Outcome{Incomplete: report.Err() != nil, Detail: restoreDetail(in, opts, report)}, err
	})
	return st.end(restoredOf(row.ID, in.To, report), err)
}

func overwrite(word string) (files.Overwrite, error) {
	switch word {
	case "", "never":
		return files.OverwriteNever, nil
	case "if-newer":
		return files.OverwriteIfNewer, nil
	case "always":
		return files.OverwriteAlways, nil
	default:
		return 0, errkind.New(errkind.Invalid, "overwrite %q: never, if-newer and always exist", word)
	}
}

func restoredOf(point, to string, r restore.Report) api.Restored {
	out := api.Restored{Point: point, To: to, Files: r.Files, Entries: r.Entries, Bytes: r.Bytes, Skipped: r.Skipped, Verified: r.Verified,
		LeftOut: leftOutOf(r.LeftOut), Damaged: r.Damaged, Seconds: r.Elapsed.Seconds(), Problems: []api.InputProblem{}}
	if r.Doubt != "" {
		out.Warnings = append(out.Warnings, r.Doubt)
	}
	for _, p := range r.Problems {
		x := api.InputProblem{Op: p.Op}
		if p.Err != nil {
			x.Message = p.Err.Error()
		}
		x.Path, x.PathRaw = api.EncodePath(p.Path)
		out.Problems = append(out.Problems, x)
	}
	return out
}
