package s3blob_test

import (
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/blob/s3blob"
	"github.com/counterfoil/counterfoil/internal/blob/s3blob/servertest"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// as opens the store of cfg with one of its credentials.
func as(t *testing.T, s *servertest.Server, cfg s3blob.Config, credential string) *s3blob.Driver {
	t.Helper()
	cfg.Credentials = credentialFor(t, s, s3blob.Policies(cfg.Bucket, cfg.Prefix)[credential])
	return open(t, cfg)
}

// credentialFor gives a credential that may do what policy says.
func credentialFor(t *testing.T, s *servertest.Server, policy string) s3blob.Credentials {
	t.Helper()
	key, secret, token := s.Assume(t, policy)
	return s3blob.Credentials{AccessKey: key, SecretKey: secret, SessionToken: token}
}

// One store can do everything with a credential for each kind of work, none of
// which could do it all; the one that writes can do neither of the others' work.
func TestMinIO_FourCredentialsTogether(t *testing.T) {
	s := servertest.MinIO(t)
	cfg := config(s, s.LockBucket(t))
	policies := s3blob.Policies(cfg.Bucket, cfg.Prefix)
	cfg.Credentials = credentialFor(t, s, policies[s3blob.CredentialWrite])
	alone := open(t, cfg)
	cfg.Dispose = credentialFor(t, s, policies[s3blob.CredentialDispose])
	cfg.Canary = credentialFor(t, s, policies[s3blob.CredentialCanary])
	cfg.Officer = credentialFor(t, s, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:PutObjectLegalHold"],"Resource":["arn:aws:s3:::`+cfg.Bucket+`/*"]}]}`)
	d := open(t, cfg)

	lock := lockFor(blob.Compliance, time.Hour)
	mustPut(t, d, "packs/free", "ours", blob.PutOptions{})
	mustPut(t, d, "packs/locked", "ours", blob.PutOptions{Lock: lock})
	mustPut(t, d, "canary/1", "bird", blob.PutOptions{Lock: lock})
	wantKind(t, "hold without an officer", alone.SetLegalHold(t.Context(), "packs/free", true), errkind.NotAllowed)
	if err := d.SetLegalHold(t.Context(), "packs/free", true); err != nil {
		t.Errorf("hold: %v", err)
	}
	wantKind(t, "delete what is held", d.Delete(t.Context(), "packs/free"), errkind.Refused)
	if err := d.SetLegalHold(t.Context(), "packs/free", false); err != nil {
		t.Errorf("release: %v", err)
	}
	wantKind(t, "delete without the credential for it", alone.Delete(t.Context(), "packs/free"), errkind.NotAllowed)
	if err := d.Delete(t.Context(), "packs/free"); err != nil {
		t.Errorf("delete: %v", err)
	}
	wantKind(t, "delete what is locked", d.Delete(t.Context(), "packs/locked"), errkind.Refused)
	// Without permission an attack shows nothing of the lock.
	for who, tt := range map[*s3blob.Driver]errkind.Kind{alone: errkind.NotAllowed, d: errkind.Refused} {
		attempts, err := who.Provoke(t.Context(), "canary/1")
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range attempts {
			if a.Name == "delete" {
				wantKind(t, a.Name, a.Err, tt)
			} else if who == d {
				wantKind(t, a.Name, a.Err, errkind.Refused)
			}
		}
	}
}

// Each credential can do its work and nothing else, as the server enforces it.
func TestMinIO_PoliciesSuffice(t *testing.T) {
	s := servertest.MinIO(t)
	cfg := config(s, s.LockBucket(t))
	write, read := as(t, s, cfg, s3blob.CredentialWrite), as(t, s, cfg, s3blob.CredentialRead)
	dispose, canary := as(t, s, cfg, s3blob.CredentialDispose), as(t, s, cfg, s3blob.CredentialCanary)

	lock := lockFor(blob.Compliance, time.Hour)
	mustPut(t, write, "packs/locked", "ours", blob.PutOptions{Lock: lock})
	mustPut(t, write, "packs/free", "ours", blob.PutOptions{})
	mustPut(t, write, "log/checkpoint", "one", blob.PutOptions{Replace: true})
	mustPut(t, write, "log/checkpoint", "two", blob.PutOptions{Replace: true})
	if err := write.SetLock(t.Context(), "packs/locked", lockFor(blob.Compliance, 2*time.Hour)); err != nil {
		t.Errorf("raise: %v", err)
	}
	wantKind(t, "writer deletes", write.Delete(t.Context(), "packs/free"), errkind.NotAllowed)
	_, err := write.Put(t.Context(), "packs/free", []byte("instead"), blob.PutOptions{Replace: true})
	wantKind(t, "writer replaces what was put once", err, errkind.NotAllowed)

	for _, d := range []*s3blob.Driver{write, read, dispose} {
		if got := len(listAll(t, d)); got != 3 {
			t.Errorf("%d objects listed, want 3", got)
		}
		wantText(t, d, "packs/free", "ours")
		wantText(t, d, "log/checkpoint", "two")
	}
	for _, d := range []*s3blob.Driver{read, dispose} {
		_, err := d.Put(t.Context(), "packs/new", nil, blob.PutOptions{})
		wantKind(t, "put", err, errkind.NotAllowed)
		wantKind(t, "lock", d.SetLock(t.Context(), "packs/free", lock), errkind.NotAllowed)
		wantKind(t, "hold", d.SetLegalHold(t.Context(), "packs/free", true), errkind.NotAllowed)
	}
	wantKind(t, "reader deletes", read.Delete(t.Context(), "packs/free"), errkind.NotAllowed)
	wantKind(t, "dispose of what is locked", dispose.Delete(t.Context(), "packs/locked"), errkind.Refused)
	if err := dispose.Delete(t.Context(), "packs/free"); err != nil {
		t.Errorf("dispose: %v", err)
	}

	wantKind(t, "canary deletes elsewhere", canary.Delete(t.Context(), "log/checkpoint"), errkind.NotAllowed)
	mustPut(t, canary, "canary/bird", "bird", blob.PutOptions{Lock: lock})
	attempts, err := canary.Provoke(t.Context(), "canary/bird")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range attempts {
		wantKind(t, a.Name, a.Err, errkind.Refused)
	}
}

func TestMinIO_LegalHoldForbidsDeletion(t *testing.T) {
	s := servertest.MinIO(t)
	d := open(t, config(s, s.LockBucket(t)))
	mustPut(t, d, "points/1", "ours", blob.PutOptions{})
	for _, on := range []bool{true, false} {
		if err := d.SetLegalHold(t.Context(), "points/1", on); err != nil {
			t.Fatal(err)
		}
		if held, err := d.LegalHold(t.Context(), "points/1"); err != nil || held != on {
			t.Fatalf("held %t, %v; want %t", held, err, on)
		}
		if on {
			wantKind(t, "delete under a hold", d.Delete(t.Context(), "points/1"), errkind.Refused)
		}
	}
	if err := d.Delete(t.Context(), "points/1"); err != nil {
		t.Errorf("delete after the hold: %v", err)
	}
	_, err := d.LegalHold(t.Context(), "points/1")
	wantKind(t, "hold of nothing", err, errkind.NotFound)
}

func TestMinIO_OfficerConvertsAndLowersNothing(t *testing.T) {
	s := servertest.MinIO(t)
	cfg := config(s, s.LockBucket(t))
	d := as(t, s, cfg, s3blob.CredentialWrite)
	lock := lockFor(blob.Governance, 2*time.Hour)
	mustPut(t, d, "packs/1", "ours", blob.PutOptions{Lock: lock})
	strict := blob.Lock{Mode: blob.Compliance, Until: lock.Until}
	wantKind(t, "strengthen", d.SetLock(t.Context(), "packs/1", strict), errkind.NotAllowed)
	wantKind(t, "shorten as officer", d.Convert(t.Context(), cfg.Credentials, "packs/1", blob.Lock{Mode: blob.Compliance, Until: lock.Until.Add(-time.Hour)}), errkind.Refused)
	if err := d.Convert(t.Context(), cfg.Credentials, "packs/1", strict); err != nil {
		t.Fatal(err)
	}
	if info, err := open(t, cfg).Stat(t.Context(), "packs/1"); err != nil || info.Lock != strict {
		t.Errorf("%+v, %v", info, err)
	}
}

// A driver that has read an object sees what another one makes of it.
func TestMinIO_TwoDriversOnOneStore(t *testing.T) {
	s := servertest.MinIO(t)
	cfg := config(s, s.LockBucket(t))
	one, two := open(t, cfg), open(t, cfg)
	for _, text := range []string{"a", "b", "c"} {
		mustPut(t, one, "log/checkpoint", text, blob.PutOptions{Replace: true})
		wantText(t, two, "log/checkpoint", text)
		wantText(t, two, "log/checkpoint", text)
	}
	mustPut(t, one, "points/1", "first", blob.PutOptions{})
	listAll(t, two)
	wantText(t, two, "points/1", "first")
	if err := one.Delete(t.Context(), "points/1"); err != nil {
		t.Fatal(err)
	}
	_, err := two.ReadAt(t.Context(), "points/1", make([]byte, 1), 0)
	wantKind(t, "read what the other deleted", err, errkind.NotFound)
	mustPut(t, one, "points/1", "second", blob.PutOptions{})
	wantText(t, two, "points/1", "second")
	mustPut(t, one, "points/1", "third", blob.PutOptions{Replace: true})
	wantText(t, two, "points/1", "third")
}

func TestMinIO_OpenRefusesWhatCannotHoldAStore(t *testing.T) {
	s := servertest.MinIO(t)
	client := s.Client(t)
	byDefault, suspended := s.LockBucket(t), s.PlainBucket(t)
	mode, days, unit := minio.Governance, uint(1), minio.Days
	if err := client.SetBucketObjectLockConfig(t.Context(), byDefault, &mode, &days, &unit); err != nil {
		t.Fatal(err)
	}
	if err := client.EnableVersioning(t.Context(), suspended); err != nil {
		t.Fatal(err)
	}
	if err := client.SuspendVersioning(t.Context(), suspended); err != nil {
		t.Fatal(err)
	}
	good := config(s, s.LockBucket(t))
	for name, tt := range map[string]struct {
		change func(*s3blob.Config)
		kind   errkind.Kind
		says   string
	}{
		"default retention":    {func(c *s3blob.Config) { c.Bucket = byDefault }, errkind.Invalid, "default retention"},
		"suspended versioning": {func(c *s3blob.Config) { c.Bucket = suspended }, errkind.Invalid, "suspended"},
		"no bucket":            {func(c *s3blob.Config) { c.Bucket = "nowhere" }, errkind.NotFound, "no bucket nowhere"},
		"wrong secret":         {func(c *s3blob.Config) { c.Credentials.SecretKey = "wrong-secret-key" }, errkind.NotAllowed, ""},
		"unknown key":          {func(c *s3blob.Config) { c.Credentials.AccessKey = "nobody" }, errkind.NotAllowed, ""},
		"nobody there":         {func(c *s3blob.Config) { c.Endpoint = "127.0.0.1:1" }, errkind.Unavailable, "refused"},
		"TLS asked of plain":   {func(c *s3blob.Config) { c.PlainHTTP = false }, errkind.Unavailable, ""},
	} {
		cfg := good
		tt.change(&cfg)
		_, err := s3blob.Open(t.Context(), cfg)
		wantKind(t, name, err, tt.kind)
		if err != nil && (!strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), cfg.Credentials.SecretKey)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMinIO_EveryChecksumIsTaken(t *testing.T) {
	s := servertest.MinIO(t)
	bucket := s.LockBucket(t)
	for _, sum := range []s3blob.Checksum{s3blob.SHA256, s3blob.CRC32C, s3blob.MD5} {
		cfg := config(s, bucket)
		cfg.Checksum = sum
		d := open(t, cfg)
		mustPut(t, d, "full", "ours", blob.PutOptions{Lock: lockFor(blob.Governance, time.Hour)})
		mustPut(t, d, "empty", "", blob.PutOptions{})
		wantText(t, d, "full", "ours")
		_, err := d.Put(t.Context(), "full", []byte("other"), blob.PutOptions{})
		wantKind(t, string(sum), err, errkind.Exists)
	}
}

func TestMinIO_TellsItsTime(t *testing.T) {
	s := servertest.MinIO(t)
	d := open(t, config(s, s.PlainBucket(t)))
	got, err := d.ServerTime(t.Context())
	if err != nil || got.Before(time.Now().Add(-time.Minute)) || got.After(time.Now().Add(time.Minute)) {
		t.Errorf("the server's time: %v, %v", got, err)
	}
}
