// Package built makes the programs that tests run.
package built

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// Programs builds programs of this module, named as go build does (such as
// ./cmd/counterfoil), into a folder. It works from a package two below the
// module's root. Whoever runs one in a test calls [Used].
func Programs(folder string, packages ...string) error {
	root := filepath.Join("..", "..")
	cmd := exec.Command("go", append([]string{"build", "-o", folder + string(filepath.Separator)}, packages...)...)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", strings.Join(packages, " "), err, out)
	}
	return nil
}

// Used looks once at all that the programs are built from, while a test runs: go
// test remembers what a test has opened, so that it does not take an earlier result
// for one of other programs. It remembers nothing of what is opened before the
// tests begin.
func Used() error { return look() }

var look = sync.OnceValue(func() error {
	root := filepath.Join("..", "..")
	var errs []error
	for _, name := range []string{"go.mod", "cmd", "internal"} {
		errs = append(errs, filepath.WalkDir(filepath.Join(root, name), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.HasSuffix(path, "_test.go") {
				return err
			}
			_, err = os.Stat(path)
			return err
		}))
	}
	return errors.Join(errs...)
})
