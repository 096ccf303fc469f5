package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
)

// file is a file of a package; to is its name there.
type file struct {
	from, to string
	mode     os.FileMode // 0 is 0644
}

func (f file) perm() os.FileMode {
	if f.mode == 0 {
		return 0o644
	}
	return f.mode
}

// archive packs files into a tarball, for Windows into a zip file.
func (r release) archive(t target, files []file) (err error) {
	folder := "counterfoil-" + r.version + "-" + t.os + "-" + t.arch
	suffix, pack := ".tar.gz", r.tar
	if t.os == "windows" {
		suffix, pack = ".zip", r.zip
	}
	out, err := os.Create(filepath.Join(r.out, folder+suffix))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	return pack(out, folder, files)
}

func (r release) tar(out io.Writer, folder string, files []file) error {
	zipped, err := gzip.NewWriterLevel(out, gzip.BestCompression)
	if err != nil {
		return err
	}
	w := tar.NewWriter(zipped)
	for _, f := range files {
		data, err := os.ReadFile(f.from)
		if err != nil {
			return err
		}
		h := &tar.Header{Name: path.Join(folder, f.to), Mode: int64(f.perm()), Size: int64(len(data)), ModTime: r.at, Uname: "root", Gname: "root", Format: tar.FormatUSTAR}
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		if _, err := w.Write(data); err != nil {
			return err
		}
	}
	return errors.Join(w.Close(), zipped.Close())
}

func (r release) zip(out io.Writer, folder string, files []file) error {
	w := zip.NewWriter(out)
	for _, f := range files {
		data, err := os.ReadFile(f.from)
		if err != nil {
			return err
		}
		h := &zip.FileHeader{Name: path.Join(folder, f.to), Method: zip.Deflate, Modified: r.at}
		h.SetMode(f.perm())
		part, err := w.CreateHeader(h)
		if err != nil {
			return err
		}
		if _, err := part.Write(data); err != nil {
			return err
		}
	}
	return w.Close()
}
