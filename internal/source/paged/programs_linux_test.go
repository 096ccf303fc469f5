package paged_test

import (
	"database/sql"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/counterfoil/counterfoil/internal/source/paged"
)

func detect(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	head := make([]byte, paged.Head)
	n, err := io.ReadFull(f, head)
	if err != nil && n == 0 {
		t.Fatal(err)
	}
	return paged.Detect(head[:n], info.Size())
}

// tool finds a program, or skips the test.
func tool(t *testing.T, name string) string {
	t.Helper()
	for _, dir := range []string{"/usr/bin", "/usr/sbin", "/usr/lib/postgresql/17/bin", "/usr/lib/postgresql/16/bin", "/usr/lib/postgresql/15/bin"} {
		if path := filepath.Join(dir, name); exec.Command("test", "-x", path).Run() == nil {
			return path
		}
	}
	t.Skipf("%s is not installed", name)
	return ""
}

func TestDetect_SQLite(t *testing.T) {
	dir := t.TempDir()
	db, err := sql.Open("sqlite", filepath.Join(dir, "a.db"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("create table t (x); insert into t values (1)"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if got := detect(t, filepath.Join(dir, "a.db")); got != "sqlite" {
		t.Errorf("SQLite's file is %q", got)
	}
}

func TestDetect_DiskImages(t *testing.T) {
	for name, tt := range map[string]struct {
		command []string // the image's path is added, then what is in after
		after   []string
		want    string
	}{
		"ext4":              {[]string{"mkfs.ext4", "-q"}, nil, "filesystem"},
		"xfs":               {[]string{"mkfs.xfs", "-q"}, nil, "filesystem"},
		"fat":               {[]string{"mkfs.vfat"}, nil, "filesystem"},
		"btrfs":             {[]string{"mkfs.btrfs", "-q"}, nil, "filesystem"},
		"ntfs":              {[]string{"mkfs.ntfs", "-Q", "-F"}, nil, "filesystem"},
		"swap":              {[]string{"mkswap"}, nil, ""},
		"qcow2":             {[]string{"qemu-img", "create", "-q", "-f", "qcow2"}, []string{"64M"}, "qcow2"},
		"vmdk":              {[]string{"qemu-img", "create", "-q", "-f", "vmdk"}, []string{"64M"}, "vmdk"},
		"vdi":               {[]string{"qemu-img", "create", "-q", "-f", "vdi"}, []string{"64M"}, "vdi"},
		"vhd":               {[]string{"qemu-img", "create", "-q", "-f", "vpc"}, []string{"64M"}, "vhd"},
		"vhdx":              {[]string{"qemu-img", "create", "-q", "-f", "vhdx"}, []string{"64M"}, "vhdx"},
		"raw, all of holes": {[]string{"qemu-img", "create", "-q", "-f", "raw"}, []string{"64M"}, ""},
		"gpt":               {[]string{"sfdisk", "-q", "-X", "gpt"}, nil, "disk"},
		"mbr":               {[]string{"sfdisk", "-q", "-X", "dos"}, nil, "disk"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "image")
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(path, 512<<20); err != nil {
				t.Fatal(err)
			}
			args := append(append(tt.command[1:len(tt.command):len(tt.command)], path), tt.after...)
			cmd := exec.Command(tool(t, tt.command[0]), args...)
			cmd.Stdin = strings.NewReader("2048,\n") // one partition, for what asks
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%s: %v: %s", tt.command[0], err, out)
			}
			if got := detect(t, path); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestDetect_PostgreSQL looks at every file of a new cluster: tables, indexes,
// their maps, and the log.
func TestDetect_PostgreSQL(t *testing.T) {
	initdb := tool(t, "initdb")
	dir := filepath.Join(t.TempDir(), "data")
	cmd := exec.Command(initdb, "-D", dir, "-A", "trust", "--no-sync", "--no-instructions")
	asPostgres(t, cmd, dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v: %s", err, out)
	}
	relations, logs := 0, 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		want := ""
		switch rel, _ := filepath.Rel(dir, path); {
		case info.Size() < 2*8192:
			return nil
		case strings.HasPrefix(rel, "pg_wal/"):
			want = "postgresql-wal"
			logs++
		case (strings.HasPrefix(rel, "base/") || strings.HasPrefix(rel, "global/")) && strings.Trim(filepath.Base(rel), "0123456789_fsmv") == "":
			want = "postgresql"
			relations++
		}
		if got := detect(t, path); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if relations < 100 || logs < 1 {
		t.Errorf("only %d relations and %d segments of the log looked at", relations, logs)
	}
}

// TestDetect_OrdinaryFiles looks at the system's own files: nothing among them
// is a database or an image but what says so by its name.
func TestDetect_OrdinaryFiles(t *testing.T) {
	seen := 0
	for _, root := range []string{"/usr/share", "/usr/lib", "/usr/bin"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() || seen > 20000 {
				return nil //nolint:nilerr // what cannot be read is not looked at
			}
			info, err := d.Info()
			if err != nil || info.Size() < 64<<10 {
				return nil //nolint:nilerr // as above
			}
			seen++
			kind := detect(t, path)
			if known := strings.Contains(path, "sqlite") || strings.HasSuffix(path, ".db") || strings.HasSuffix(path, ".bin") || strings.HasSuffix(path, ".img"); kind != "" && !known {
				t.Errorf("%s is taken for %s", path, kind)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if seen == 0 {
		t.Skip("no large files here")
	}
}

// asPostgres makes a command run as the user of the database, since it refuses
// to run as root, and gives that user the folder to be.
func asPostgres(t *testing.T, cmd *exec.Cmd, dir string) {
	t.Helper()
	if os.Getuid() != 0 {
		return
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		t.Skip("there is no user for the database")
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		t.Fatal(err)
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatal(err)
	}
	for up := filepath.Dir(dir); up != os.TempDir() && up != "/"; up = filepath.Dir(up) {
		if err := os.Chmod(up, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}
