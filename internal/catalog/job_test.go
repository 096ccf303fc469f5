package catalog

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

func aJob(n int) Job {
	return Job{ID: id(n), Kind: RunBackup, Key: fmt.Sprintf("backup %d", n), VaultID: vaultID(1), SourceID: id(50), Actor: json.RawMessage(`{"subject":"ann"}`), Request: json.RawMessage(`{}`), QueuedAt: at(n)}
}

func testJobs(t *testing.T, c *Catalog) {
	ctx := t.Context()
	first, second, urgent, elsewhere, late := aJob(1), aJob(2), aJob(3), aJob(4), aJob(5)
	urgent.Priority, elsewhere.AgentID, late.NotBefore = 1, id(70), at(50)
	for _, j := range []Job{first, second, urgent, elsewhere, late} {
		must(t, c.QueueJob(ctx, j))
	}
	again := aJob(6)
	again.Key = first.Key
	wantKind(t, c.QueueJob(ctx, again), errkind.Exists)
	wantKind(t, c.QueueJob(ctx, first), errkind.Exists)
	wantKind(t, c.QueueJob(ctx, Job{ID: id(9), Kind: "nap", QueuedAt: at(1)}), errkind.Invalid)
	wantEqual(t, len(get[[]Job](t)(c.Jobs(ctx, JobFilter{Key: first.Key}))), 1)

	lease := func(agent string, now int) string {
		t.Helper()
		j, err := c.LeaseJob(ctx, JobLease{Worker: "w", AgentID: agent, Now: at(now), Until: at(now + 5)})
		if errkind.Is(err, errkind.NotFound) {
			return ""
		}
		must(t, err)
		wantEqual(t, j.Leased(at(now)), true)
		return fmt.Sprintf("%s/%d", j.ID, j.Fence)
	}
	for _, want := range []string{urgent.ID + "/1", first.ID + "/1", second.ID + "/1", ""} {
		wantEqual(t, lease("", 10), want)
	}
	wantEqual(t, lease(id(70), 10), elsewhere.ID+"/1")
	wantEqual(t, lease(id(71), 10), "")

	// One is kept, one runs out and is leased again; who had it before says nothing more.
	get[Job](t)(c.RenewJob(ctx, urgent.ID, 1, at(30), json.RawMessage(`{"done":1}`)))
	wantEqual(t, lease("", 15), first.ID+"/2")
	_, err := c.RenewJob(ctx, first.ID, 1, at(30), nil)
	wantKind(t, err, errkind.NotAllowed)
	end := at(16)
	wantKind(t, c.EndJob(ctx, Job{ID: first.ID, Fence: 1, EndedAt: &end, Result: ResultDone}), errkind.NotAllowed)
	wantKind(t, c.RequeueJob(ctx, first.ID, 1, at(20), "x"), errkind.NotAllowed)
	must(t, c.RequeueJob(ctx, first.ID, 2, at(20), "the store was away"))
	wantKind(t, c.EndJob(ctx, Job{ID: first.ID, Fence: 2, EndedAt: &end, Result: ResultDone}), errkind.NotAllowed)
	wantEqual(t, lease("", 19), second.ID+"/2")
	wantEqual(t, lease("", 20), first.ID+"/3")

	must(t, c.EndJob(ctx, Job{ID: urgent.ID, Fence: 1, EndedAt: &end, Result: ResultDone, Outcome: json.RawMessage(`{"point":"p"}`)}))
	wantKind(t, c.EndJob(ctx, Job{ID: urgent.ID, Fence: 1, EndedAt: &end, Result: ResultDone}), errkind.Exists)
	j := get[Job](t)(c.Job(ctx, urgent.ID))
	wantEqual(t, []string{string(j.Result), string(j.Outcome), string(j.Progress)}, []string{"done", `{"point":"p"}`, `{"done":1}`})
	wantEqual(t, *j.EndedAt, end)
	again.Key = urgent.Key
	must(t, c.QueueJob(ctx, again)) // the key is free

	wantEqual(t, get[int64](t)(c.FreeJobs(ctx, "w")), int64(3))
	wantEqual(t, lease("", 21), first.ID+"/4")
}

func testJobsCancelled(t *testing.T, c *Catalog) {
	ctx := t.Context()
	waiting, working := aJob(1), aJob(2)
	working.Priority = 1
	must(t, c.QueueJob(ctx, waiting))
	must(t, c.QueueJob(ctx, working))
	get[Job](t)(c.LeaseJob(ctx, JobLease{Worker: "w", Now: at(3), Until: at(8)}))
	j := get[Job](t)(c.CancelJob(ctx, waiting.ID, "ann", at(4)))
	wantEqual(t, []string{string(j.Result), j.ErrorKind, j.Message}, []string{"interrupted", "cancelled", "cancelled by ann"})
	j = get[Job](t)(c.CancelJob(ctx, working.ID, "ann", at(4)))
	wantEqual(t, j.EndedAt == nil && j.CancelAt != nil, true)
	j = get[Job](t)(c.RenewJob(ctx, working.ID, 1, at(9), nil))
	wantEqual(t, j.CancelBy, "ann")
	wantEqual(t, len(get[[]string](t)(c.ReapJobs(ctx, at(8)))), 0)
	wantEqual(t, get[[]string](t)(c.ReapJobs(ctx, at(9))), []string{working.ID})
	_, err := c.CancelJob(ctx, working.ID, "ann", at(10))
	wantKind(t, err, errkind.Exists)
	_, err = c.CancelJob(ctx, id(9), "ann", at(10))
	wantKind(t, err, errkind.NotFound)
}

// testJobsLeasedOnce has many workers that take jobs at once.
func testJobsLeasedOnce(t *testing.T, c *Catalog) {
	const jobs, workers = 60, 8
	for n := range jobs {
		must(t, c.QueueJob(t.Context(), aJob(n+1)))
	}
	var mu sync.Mutex
	leased := map[string]int64{}
	var work sync.WaitGroup
	for w := range workers {
		work.Go(func() {
			for {
				j, err := c.LeaseJob(t.Context(), JobLease{Worker: fmt.Sprint(w), Now: at(59).Add(time.Hour), Until: at(59).Add(2 * time.Hour)})
				if errkind.Is(err, errkind.NotFound) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				leased[j.ID] += j.Fence
				mu.Unlock()
			}
		})
	}
	work.Wait()
	if len(leased) != jobs {
		t.Errorf("%d of %d jobs were leased", len(leased), jobs)
	}
	for id, n := range leased {
		if n != 1 {
			t.Errorf("job %s was leased %d times", id, n)
		}
	}
}
