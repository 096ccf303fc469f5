package s3blob_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/minio/minio-go/v7"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/blob/s3blob"
	"github.com/counterfoil/counterfoil/internal/blob/s3blob/servertest"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// intruder is whoever else may write to a store's bucket, by the server's own
// interface and with its root credentials.
type intruder struct {
	*minio.Core
	cfg s3blob.Config
}

func newIntruder(t *testing.T, s *servertest.Server, cfg s3blob.Config) intruder {
	t.Helper()
	return intruder{Core: s.Client(t), cfg: cfg}
}

func (i intruder) put(t *testing.T, name, data string, opts minio.PutObjectOptions) string {
	t.Helper()
	opts.DisableContentSha256 = true
	info, err := i.PutObject(t.Context(), i.cfg.Bucket, i.cfg.Prefix+name, bytes.NewReader([]byte(data)), int64(len(data)), "", "", opts)
	if err != nil {
		t.Fatalf("intruder puts %s: %v", name, err)
	}
	return info.VersionID
}

func (i intruder) hide(t *testing.T, name string) {
	t.Helper()
	if err := i.RemoveObject(t.Context(), i.cfg.Bucket, i.cfg.Prefix+name, minio.RemoveObjectOptions{}); err != nil {
		t.Fatalf("intruder hides %s: %v", name, err)
	}
}

// forged gives options that make a version look like one of ours, with a longer
// lock.
func forged() minio.PutObjectOptions {
	return minio.PutObjectOptions{
		UserMetadata:    map[string]string{"X-Amz-Meta-Counterfoil": "once"},
		Mode:            minio.Compliance,
		RetainUntilDate: time.Now().Add(48 * time.Hour).UTC(),
	}
}

func mustPut(t *testing.T, d blob.Driver, name, data string, opts blob.PutOptions) blob.Info {
	t.Helper()
	info, err := d.Put(t.Context(), name, []byte(data), opts)
	if err != nil {
		t.Fatalf("put %s: %v", name, err)
	}
	return info
}

func wantText(t *testing.T, d blob.Driver, name, want string) {
	t.Helper()
	buf := make([]byte, 100)
	n, _ := d.ReadAt(t.Context(), name, buf, 0)
	if got := string(buf[:n]); got != want {
		t.Errorf("%s reads %q, want %q", name, got, want)
	}
}

func wantKind(t *testing.T, doing string, err error, want errkind.Kind) {
	t.Helper()
	if !errkind.Is(err, want) {
		t.Errorf("%s: error %q of kind %v, want %v", doing, fmt.Sprint(err), errkind.Of(err), want)
	}
}

func listAll(t *testing.T, d blob.Driver) []blob.Info {
	t.Helper()
	var infos []blob.Info
	err := d.List(t.Context(), "", func(info blob.Info) error {
		infos = append(infos, info)
		return nil
	})
	if err != nil {
		t.Fatalf("list: %v", err)
	}
	return infos
}

func lockFor(mode blob.Mode, d time.Duration) blob.Lock {
	return blob.Lock{Mode: mode, Until: time.Now().Add(d).UTC().Truncate(time.Second)}
}

// Nobody can take away what is locked in compliance mode through the interface
// that everybody has, with whatever credentials.
func TestMinIO_ComplianceHoldsAgainstRoot(t *testing.T) {
	s := servertest.MinIO(t)
	cfg := config(s, s.LockBucket(t))
	d, evil := open(t, cfg), newIntruder(t, s, cfg)
	lock := lockFor(blob.Compliance, 24*time.Hour)
	info := mustPut(t, d, "packs/one", "ours", blob.PutOptions{Lock: lock})

	key := cfg.Prefix + "packs/one"
	governance, compliance := minio.Governance, minio.Compliance
	sooner, past := lock.Until.Add(-time.Hour), time.Now().Add(time.Minute)
	retain := func(mode *minio.RetentionMode, until *time.Time) error {
		return evil.PutObjectRetention(t.Context(), cfg.Bucket, key,
			minio.PutObjectRetentionOptions{Mode: mode, RetainUntilDate: until, VersionID: info.Version, GovernanceBypass: true})
	}
	for doing, err := range map[string]error{
		"delete": evil.RemoveObject(t.Context(), cfg.Bucket, key, minio.RemoveObjectOptions{VersionID: info.Version}),
		"delete with bypass": evil.RemoveObject(t.Context(), cfg.Bucket, key,
			minio.RemoveObjectOptions{VersionID: info.Version, GovernanceBypass: true}),
		"shorten":          retain(&compliance, &sooner),
		"let end now":      retain(&compliance, &past),
		"weaken":           retain(&governance, &lock.Until),
		"unlock":           retain(nil, nil),
		"remove bucket":    evil.RemoveBucket(t.Context(), cfg.Bucket),
		"suspend versions": evil.SuspendVersioning(t.Context(), cfg.Bucket),
	} {
		if err == nil {
			t.Errorf("%s was not refused", doing)
		}
	}
	wantKind(t, "our delete", d.Delete(t.Context(), "packs/one"), errkind.Refused)
	again, err := open(t, cfg).Stat(t.Context(), "packs/one")
	if diff := cmp.Diff(info, again); err != nil || diff != "" {
		t.Errorf("the object changed: %v\n%s", err, diff)
	}
	wantText(t, d, "packs/one", "ours")
}

// Markers and forged versions on top of every object change nothing for a
// reader, not even for one that has never seen the objects.
func TestMinIO_MarkersAndVersionsOnTopChangeNothing(t *testing.T) {
	s := servertest.MinIO(t)
	cfg := config(s, s.LockBucket(t))
	d, evil := open(t, cfg), newIntruder(t, s, cfg)
	for i := range 12 {
		mustPut(t, d, fmt.Sprintf("packs/%02d", i), fmt.Sprintf("ours %d", i), blob.PutOptions{Lock: lockFor(blob.Compliance, time.Hour)})
	}
	mustPut(t, d, "unlocked", "ours too", blob.PutOptions{})
	before := listAll(t, d)

	for i, info := range before {
		if i%3 != 0 {
			evil.put(t, info.Name, "theirs", forged())
		}
		if i%3 != 1 {
			evil.hide(t, info.Name)
		}
		src := minio.CopySrcOptions{Bucket: cfg.Bucket, Object: cfg.Prefix + info.Name, VersionID: info.Version}
		_, err := evil.CopyObject(t.Context(), cfg.Bucket, cfg.Prefix+info.Name, cfg.Bucket, cfg.Prefix+info.Name,
			map[string]string{"X-Amz-Meta-Counterfoil": "other", "x-amz-metadata-directive": "REPLACE"}, src, minio.PutObjectOptions{})
		if err != nil {
			t.Fatalf("copy: %v", err)
		}
		if i%2 == 0 {
			evil.hide(t, info.Name)
		}
	}

	for who, d := range map[string]*s3blob.Driver{"the writer": d, "another": open(t, cfg)} {
		if diff := cmp.Diff(before, listAll(t, d)); diff != "" {
			t.Errorf("%s lists something else (-before +after):\n%s", who, diff)
		}
		for i, info := range before[:12] {
			wantText(t, d, info.Name, fmt.Sprintf("ours %d", i))
			if got, err := d.Stat(t.Context(), info.Name); err != nil || got != info {
				t.Errorf("%s: stat %+v, %v; want %+v", who, got, err, info)
			}
			_, err := d.Put(t.Context(), info.Name, []byte("again"), blob.PutOptions{})
			wantKind(t, "put under a name that is taken", err, errkind.Exists)
			_, err = d.Put(t.Context(), info.Name, []byte("again"), blob.PutOptions{Replace: true})
			wantKind(t, "replace what is locked", err, errkind.Refused)
			wantKind(t, "delete what is locked", d.Delete(t.Context(), info.Name), errkind.Refused)
			wantText(t, d, info.Name, fmt.Sprintf("ours %d", i))
		}
		wantText(t, d, "unlocked", "ours too")
	}
	longer := lockFor(blob.Compliance, 3*time.Hour)
	if err := d.SetLock(t.Context(), "packs/04", longer); err != nil {
		t.Fatal(err)
	}
	if info, err := d.Stat(t.Context(), "packs/04"); err != nil || info.Version != before[4].Version || info.Lock != longer {
		t.Errorf("after raising: %+v, %v", info, err)
	}
	versions, err := d.ListVersions(t.Context(), "packs/04")
	if err != nil || len(versions) < 3 || !versions[len(versions)-1].Current || versions[len(versions)-1].ID != before[4].Version {
		t.Errorf("versions %+v, %v", versions, err)
	}
}

// Deleting an object takes what lies on it along; what somebody has locked there
// stays and is told.
func TestMinIO_DeleteFreesTheName(t *testing.T) {
	s := servertest.MinIO(t)
	cfg := config(s, s.LockBucket(t))
	d, evil := open(t, cfg), newIntruder(t, s, cfg)
	for _, name := range []string{"clean", "locked"} {
		mustPut(t, d, name, "ours", blob.PutOptions{})
		evil.put(t, name, "theirs", minio.PutObjectOptions{})
		evil.hide(t, name)
	}
	evil.put(t, "locked", "theirs", forged())

	if err := d.Delete(t.Context(), "clean"); err != nil {
		t.Fatalf("delete: %v", err)
	}
	_, err := d.ListVersions(t.Context(), "clean")
	wantKind(t, "versions of a name that is free", err, errkind.NotFound)
	mustPut(t, d, "clean", "new", blob.PutOptions{})
	wantText(t, d, "clean", "new")

	wantKind(t, "delete under a foreign lock", d.Delete(t.Context(), "locked"), errkind.Refused)
	versions, err := d.ListVersions(t.Context(), "locked")
	if err != nil || len(versions) != 1 {
		t.Errorf("left: %+v, %v", versions, err)
	}
}

// A clock of ours that was moved forward frees nothing.
func TestMinIO_OurClockAheadFreesNothing(t *testing.T) {
	s := servertest.MinIO(t)
	cfg := config(s, s.LockBucket(t))
	cfg.Now = func() time.Time { return time.Now().AddDate(20, 0, 0) }
	d := open(t, cfg)
	mustPut(t, d, "packs/1", "ours", blob.PutOptions{Lock: lockFor(blob.Compliance, time.Hour)})
	wantKind(t, "delete", d.Delete(t.Context(), "packs/1"), errkind.Refused)
	_, err := d.Put(t.Context(), "packs/1", []byte("instead"), blob.PutOptions{Replace: true})
	wantKind(t, "replace", err, errkind.Refused)
	wantKind(t, "weaken", d.SetLock(t.Context(), "packs/1", lockFor(blob.Governance, 2*time.Hour)), errkind.Refused)
	wantText(t, d, "packs/1", "ours")
}

// MinIO lets every writer give a version an earlier date than it has. A name
// that has the SHA-256 of its object cannot be taken over so; of another the
// versions show it.
func TestMinIO_BackdatedVersions(t *testing.T) {
	s := servertest.MinIO(t)
	cfg := config(s, s.LockBucket(t))
	d, evil := open(t, cfg), newIntruder(t, s, cfg)
	sum := sha256.Sum256([]byte("ours"))
	pack := "packs/data/" + hex.EncodeToString(sum[:1]) + "/" + hex.EncodeToString(sum[:])
	info := mustPut(t, d, pack, "ours", blob.PutOptions{Lock: lockFor(blob.Compliance, time.Hour)})
	mustPut(t, d, "points/1", "ours", blob.PutOptions{Lock: lockFor(blob.Compliance, time.Hour)})
	for _, name := range []string{pack, "points/1"} {
		opts := forged()
		opts.Internal.SourceMTime = time.Now().Add(-1000 * time.Hour)
		evil.put(t, name, "theirs", opts)
		evil.put(t, name, "theirs", forged())
		evil.hide(t, name)
	}
	fresh := open(t, cfg)
	if got, err := fresh.Stat(t.Context(), pack); err != nil || got != info {
		t.Errorf("stat %+v, %v; want %+v", got, err, info)
	}
	wantText(t, fresh, pack, "ours")
	versions, err := fresh.ListVersions(t.Context(), "points/1")
	if err != nil || len(versions) != 4 {
		t.Fatalf("versions %+v, %v", versions, err)
	}
	found := slices.ContainsFunc(versions, func(v s3blob.Version) bool {
		buf := make([]byte, 4)
		_, err := fresh.ReadVersionAt(t.Context(), "points/1", v.ID, buf, 0)
		return err == nil && string(buf) == "ours"
	})
	if !found {
		t.Error("our version cannot be read any more")
	}

	evil.put(t, "points/1", strings.Repeat("x", 1<<12), forged())
	var seen []string
	err = blob.New(fresh, blob.Options{}).ReadVersions(t.Context(), "points/1", 1<<10, func(data []byte) bool {
		seen = append(seen, string(data))
		return string(data) == "ours"
	})
	if diff := cmp.Diff([]string{"theirs", "ours"}, seen); err != nil || diff != "" {
		t.Errorf("read around what was forged: %v (-want +seen)\n%s", err, diff)
	}
	none := func([]byte) bool { return false }
	wantKind(t, "none of the versions", blob.New(fresh, blob.Options{}).ReadVersions(t.Context(), "points/1", 1<<10, none), errkind.NotFound)
}

// An object that only markers cover, or whose name never was, is NotFound.
func TestMinIO_ReadVersionsUnderMarkers(t *testing.T) {
	s := servertest.MinIO(t)
	cfg := config(s, s.LockBucket(t))
	d, evil := open(t, cfg), newIntruder(t, s, cfg)
	b := blob.New(d, blob.Options{})
	all := func([]byte) bool { return true }
	evil.hide(t, "points/1")
	wantKind(t, "markers alone", b.ReadVersions(t.Context(), "points/1", 10, all), errkind.NotFound)
	wantKind(t, "nothing", b.ReadVersions(t.Context(), "points/2", 10, all), errkind.NotFound)
	mustPut(t, d, "points/3", "ours", blob.PutOptions{})
	evil.hide(t, "points/3")
	var seen string
	err := b.ReadVersions(t.Context(), "points/3", 10, func(data []byte) bool {
		seen = string(data)
		return true
	})
	if err != nil || seen != "ours" {
		t.Errorf("read %q, %v", seen, err)
	}
}

// A store's own clock decides whether a lock can begin: one made by a clock that
// lags is refused with a sentence that says so.
func testPastLocks(t *testing.T, s *servertest.Server) {
	t.Helper()
	cfg := config(s, s.LockBucket(t))
	cfg.Now = func() time.Time { return time.Now().AddDate(-1, 0, 0) }
	d := open(t, cfg)
	b := blob.New(d, blob.Options{})
	mustPut(t, d, "packs/free", "ours", blob.PutOptions{})
	mustPut(t, d, "packs/locked", "ours", blob.PutOptions{Lock: lockFor(blob.Governance, time.Hour)})
	for _, mode := range []blob.Mode{blob.Governance, blob.Compliance} {
		past := lockFor(mode, -24*time.Hour)
		_, err := b.Put(t.Context(), "packs/new", []byte("ours"), blob.PutOptions{Lock: past})
		for doing, err := range map[string]error{"put": err, "lock": d.SetLock(t.Context(), "packs/free", past)} {
			wantKind(t, doing, err, errkind.Refused)
			if err == nil || !strings.Contains(err.Error(), "the store's clock is at ") || !strings.Contains(err.Error(), past.Until.Format(time.RFC3339)) {
				t.Errorf("%s: %v", doing, err)
			}
		}
		wantKind(t, "shorten", d.SetLock(t.Context(), "packs/locked", past), errkind.Refused)
	}
	if infos := listAll(t, d); len(infos) != 2 {
		t.Errorf("listed %+v", infos)
	}
}

func TestMinIO_ALockInItsPastIsRefusedPlainly(t *testing.T) { testPastLocks(t, servertest.MinIO(t)) }

func TestVersityGW_ALockInItsPastIsRefusedPlainly(t *testing.T) {
	testPastLocks(t, servertest.VersityGW(t))
}

// The canary finds what a server does not keep: this one keeps compliance locks,
// and lets a governance lock be overwritten in place.
func TestMinIO_ProvokeTellsWhatHolds(t *testing.T) {
	s := servertest.MinIO(t)
	cfg := config(s, s.LockBucket(t))
	d := open(t, cfg)
	mustPut(t, d, "canary/strict", "bird", blob.PutOptions{Lock: lockFor(blob.Compliance, time.Hour)})
	attempts, err := d.Provoke(t.Context(), "canary/strict")
	if err != nil || len(attempts) != 7 {
		t.Fatalf("%+v, %v", attempts, err)
	}
	for _, a := range attempts {
		wantKind(t, a.Name, a.Err, errkind.Refused)
	}
	wantText(t, d, "canary/strict", "bird")

	mustPut(t, d, "canary/weak", "bird", blob.PutOptions{Lock: lockFor(blob.Governance, time.Hour)})
	attempts, err = d.Provoke(t.Context(), "canary/weak")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]errkind.Kind{}
	for _, a := range attempts {
		if a.Err != nil {
			got[a.Name] = errkind.Of(a.Err)
		}
	}
	if diff := cmp.Diff(map[string]errkind.Kind{"shorten": errkind.Refused, "delete": errkind.Refused}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	wantText(t, d, "canary/weak", "overwritten\n")
	mustPut(t, d, "canary/none", "bird", blob.PutOptions{})
	_, err = d.Provoke(t.Context(), "canary/none")
	wantKind(t, "provoke without a lock", err, errkind.Invalid)
	mustPut(t, d, "packs/1", "ours", blob.PutOptions{Lock: lockFor(blob.Compliance, time.Hour)})
	_, err = d.Provoke(t.Context(), "packs/1")
	wantKind(t, "provoke what is no canary", err, errkind.Invalid)
}

// The other server's answers are other ones and mean the same.
func TestVersityGW_LocksHoldAgainstRoot(t *testing.T) {
	s := servertest.VersityGW(t)
	cfg := config(s, s.LockBucket(t))
	d, evil := open(t, cfg), newIntruder(t, s, cfg)
	for _, mode := range []blob.Mode{blob.Governance, blob.Compliance} {
		name := "canary/" + string(mode)
		info := mustPut(t, d, name, "ours", blob.PutOptions{Lock: lockFor(mode, time.Hour)})
		attempts, err := d.Provoke(t.Context(), name)
		if err != nil || len(attempts) < 3 {
			t.Fatalf("%+v, %v", attempts, err)
		}
		for _, a := range attempts {
			wantKind(t, string(mode)+": "+a.Name, a.Err, errkind.Refused)
		}
		evil.hide(t, name)
		wantKind(t, "delete", d.Delete(t.Context(), name), errkind.Refused)
		for _, bypass := range []bool{false, mode == blob.Compliance} {
			opts := minio.RemoveObjectOptions{VersionID: info.Version, GovernanceBypass: bypass}
			if err := evil.RemoveObject(t.Context(), cfg.Bucket, cfg.Prefix+name, opts); err == nil {
				t.Errorf("%s: a locked version was deleted", mode)
			}
		}
		wantText(t, open(t, cfg), name, "ours")
	}
}
