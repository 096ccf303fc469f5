// Package servertest starts real S3 servers for tests: MinIO and the Versity
// gateway, on loopback, with a folder of the test's own.
//
// The programs are found by the variables COUNTERFOIL_MINIO and
// COUNTERFOIL_VERSITYGW, else on the PATH. A test without its server is skipped,
// but fails where COUNTERFOIL_TEST_SERVERS=1 says that all servers are there.
// Each server ends with its test.
package servertest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

const (
	accessKey = "counterfoil-root"
	secretKey = "counterfoil-root-secret"
	region    = "us-east-1"

	startTime = 90 * time.Second
	stopTime  = 10 * time.Second
	tries     = 3
)

// Server is a running server, with the credentials that may do everything there.
type Server struct {
	Endpoint  string
	Region    string
	AccessKey string
	SecretKey string

	buckets atomic.Int64
}

// program is a server that can be started.
type program struct {
	name string
	env  string
	run  func(path, address, folder string) *exec.Cmd
}

// MinIO starts a MinIO server.
func MinIO(t *testing.T) *Server {
	t.Helper()
	return start(t, program{name: "minio", env: "COUNTERFOIL_MINIO", run: func(path, address, folder string) *exec.Cmd {
		cmd := exec.Command(path, "server", "--quiet", "--address", address, filepath.Join(folder, "data"))
		cmd.Env = append(os.Environ(), "MINIO_ROOT_USER="+accessKey, "MINIO_ROOT_PASSWORD="+secretKey, "MINIO_BROWSER=off", "MINIO_CI_CD=1", "HOME="+folder)
		return cmd
	}})
}

// VersityGW starts a Versity gateway over a folder.
func VersityGW(t *testing.T) *Server {
	t.Helper()
	return start(t, program{name: "versitygw", env: "COUNTERFOIL_VERSITYGW", run: func(path, address, folder string) *exec.Cmd {
		cmd := exec.Command(path, "--port", address, "posix", "--versioning-dir", filepath.Join(folder, "versions"), filepath.Join(folder, "data"))
		cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+accessKey, "ROOT_SECRET_KEY="+secretKey, "HOME="+folder)
		return cmd
	}})
}

// Client gives a client with the server's own root credentials: whoever else may
// write there.
func (s *Server) Client(t *testing.T) *minio.Core {
	t.Helper()
	creds := credentials.NewStaticV4(s.AccessKey, s.SecretKey, "")
	c, err := minio.NewCore(s.Endpoint, &minio.Options{Creds: creds, Region: s.Region, BucketLookup: minio.BucketLookupPath, MaxRetries: 1})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Assume gives temporary credentials that may do what policy says. Only MinIO
// has them.
func (s *Server) Assume(t *testing.T, policy string) (key, secret, token string) {
	t.Helper()
	creds, err := credentials.NewSTSAssumeRole("http://"+s.Endpoint, credentials.STSAssumeRoleOptions{
		AccessKey: s.AccessKey, SecretKey: s.SecretKey, Policy: policy, Location: s.Region, DurationSeconds: 3600,
	})
	if err != nil {
		t.Fatal(err)
	}
	v, err := creds.GetWithContext(nil)
	if err != nil {
		t.Fatalf("assume a role: %v", err)
	}
	return v.AccessKeyID, v.SecretAccessKey, v.SessionToken
}

// LockBucket makes a bucket with Object Lock and gives its name.
func (s *Server) LockBucket(t *testing.T) string {
	t.Helper()
	return s.bucket(t, minio.MakeBucketOptions{ObjectLocking: true})
}

// PlainBucket makes a bucket without versions.
func (s *Server) PlainBucket(t *testing.T) string {
	t.Helper()
	return s.bucket(t, minio.MakeBucketOptions{})
}

func (s *Server) bucket(t *testing.T, opts minio.MakeBucketOptions) string {
	t.Helper()
	name := fmt.Sprintf("bucket-%d", s.buckets.Add(1))
	if err := s.Client(t).MakeBucket(t.Context(), name, opts); err != nil {
		t.Fatalf("make bucket: %v", err)
	}
	return name
}

// start starts a program on a port that was free a moment before, another one if
// somebody else was quicker.
func start(t *testing.T, p program) *Server {
	t.Helper()
	path := find(t, p)
	for try := 1; ; try++ {
		s, err := launch(t, p, path)
		if err == nil {
			return s
		}
		if try == tries {
			t.Fatalf("%s does not start: %v", p.name, err)
		}
		t.Logf("%s: %v; another try", p.name, err)
	}
}

func find(t *testing.T, p program) string {
	t.Helper()
	path := os.Getenv(p.env)
	if path == "" {
		path, _ = exec.LookPath(p.name)
	}
	switch {
	case path != "":
		return path
	case os.Getenv("COUNTERFOIL_TEST_SERVERS") == "1":
		t.Fatalf("no %s: name it by %s or on the PATH; scripts/test-servers.sh installs it", p.name, p.env)
	default:
		t.Skipf("no %s: name it by %s or on the PATH, or run scripts/test-servers.sh, which installs it", p.name, p.env)
	}
	return ""
}

func launch(t *testing.T, p program, path string) (*Server, error) {
	t.Helper()
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	folder := t.TempDir()
	for _, sub := range []string{"data", "versions"} {
		if err := os.Mkdir(filepath.Join(folder, sub), 0o700); err != nil {
			return nil, err
		}
	}
	said, err := os.Create(filepath.Join(folder, "output"))
	if err != nil {
		return nil, err
	}
	defer said.Close()
	cmd := p.run(path, address, folder)
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() { stop(cmd.Process, ended) })
	s := &Server{Endpoint: address, Region: region, AccessKey: accessKey, SecretKey: secretKey}
	if err := s.await(t, ended); err != nil {
		text, _ := os.ReadFile(said.Name())
		return nil, fmt.Errorf("%w\n%s", err, text)
	}
	return s, nil
}

// await asks until the server answers a request that is signed.
func (s *Server) await(t *testing.T, ended <-chan struct{}) error {
	t.Helper()
	client := s.Client(t)
	ctx, cancel := context.WithTimeout(t.Context(), startTime)
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		_, err := client.ListBuckets(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-ended:
			return fmt.Errorf("it ended at once: %w", err)
		case <-ctx.Done():
			return fmt.Errorf("it was not ready within %v: %w", startTime, err)
		}
	}
}

func stop(p *os.Process, ended <-chan struct{}) {
	_ = p.Signal(syscall.SIGTERM)
	timer := time.NewTimer(stopTime)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
		_ = p.Kill()
		<-ended
	}
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
