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
)

// Programs builds programs of this module, named as go build does (such as
// ./cmd/counterfoil), into a folder. It works from a package two below the
// module's root.
//
// What it builds from is looked at first, so that go test, which remembers what
// a test has opened, does not take an earlier result for one of these programs.
func Programs(folder string, packages ...string) error {
	root := filepath.Join("..", "..")
	if err := lookAt(root); err != nil {
		return err
	}
	cmd := exec.Command("go", append([]string{"build", "-o", folder + string(filepath.Separator)}, packages...)...)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", strings.Join(packages, " "), err, out)
	}
	return nil
}

func lookAt(root string) error {
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
}
