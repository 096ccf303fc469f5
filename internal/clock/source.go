package clock

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// Source tells the time. Sources of one group are believed as one: whoever can
// move one of their clocks may move them all. Now returns soon after ctx ends;
// an error means that there is no time from it now.
type Source interface {
	Name() string
	Group() string
	Now(ctx context.Context) (time.Time, error)
}

// FuncSource makes a source of a function, such as a store's own clock.
type FuncSource struct {
	name  string
	group string
	now   func(context.Context) (time.Time, error)
}

var (
	_ Source = FuncSource{}
	_ Source = (*HTTPDate)(nil)
)

// NewFuncSource makes a source of now; an empty group is [SystemGroup].
func NewFuncSource(name, group string, now func(context.Context) (time.Time, error)) FuncSource {
	return FuncSource{name: name, group: group, now: now}
}

// Name is how events and records call the source.
func (f FuncSource) Name() string { return f.name }

// Group is whom its time depends on.
func (f FuncSource) Group() string { return f.group }

// Now asks the function.
func (f FuncSource) Now(ctx context.Context) (time.Time, error) { return f.now(ctx) }

// HTTPDate is the clock of a web server, by the Date header of its answers over
// TLS. It is right to a second or two.
type HTTPDate struct {
	name   string
	group  string
	url    string
	client *http.Client
	now    func() time.Time
}

// NewHTTPDate makes a source of the server at address, an https URL. client may
// bring its own roots of trust; nil is one of the system's.
func NewHTTPDate(name, group, address string, client *http.Client) (*HTTPDate, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, errkind.New(errkind.Invalid, "time source %s: %q is not an https address; without TLS anybody on the way sets its time", name, address)
	}
	own := http.Client{Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
	}}
	if client != nil {
		own = *client
	}
	// Another host's Date would be another source, in a group nobody chose.
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &HTTPDate{name: name, group: group, url: u.String(), client: &own, now: time.Now}, nil
}

// Name is how events and records call the source.
func (h *HTTPDate) Name() string { return h.name }

// Group is whom its time depends on.
func (h *HTTPDate) Group() string { return h.group }

// Now asks the server, whatever status it answers with, and adds half the time
// that the answer took.
func (h *HTTPDate) Now(ctx context.Context) (time.Time, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, h.url, http.NoBody)
	if err != nil {
		return time.Time{}, errkind.Wrap(errkind.Invalid, err, "time source %s", h.name)
	}
	req.Header.Set("Cache-Control", "no-cache")
	asked := h.now()
	resp, err := h.client.Do(req)
	if err != nil {
		return time.Time{}, errkind.Wrap(errkind.Unavailable, err, "time source %s", h.name)
	}
	defer resp.Body.Close() //nolint:errcheck // the answer to HEAD has no body
	took := h.now().Sub(asked)
	if age := resp.Header.Get("Age"); age != "" && age != "0" {
		return time.Time{}, errkind.New(errkind.Unavailable, "time source %s: a cache answered, %s seconds late", h.name, age)
	}
	at, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return time.Time{}, errkind.Wrap(errkind.Unavailable, err, "time source %s: its answer has no date", h.name)
	}
	return at.Add(took / 2), nil
}

// SourceReading is what a source said last, or why it said nothing.
type SourceReading struct {
	Name  string    `json:"name"`
	Group string    `json:"group"`
	At    time.Time `json:"at,omitzero"`
	Error string    `json:"error,omitempty"`
}

// readSources asks all sources at once. One that does not answer in time is
// left behind: its answer, should it come, goes nowhere.
func readSources(ctx context.Context, sources []Source, deadline time.Duration) []SourceReading {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	out := make([]SourceReading, len(sources))
	var all sync.WaitGroup
	for i, src := range sources {
		all.Go(func() { out[i] = readSource(ctx, src) })
	}
	all.Wait()
	return out
}

func readSource(ctx context.Context, src Source) SourceReading {
	type answer struct {
		at  time.Time
		err error
	}
	answers := make(chan answer, 1)
	go func() {
		at, err := src.Now(ctx)
		answers <- answer{at, err}
	}()
	got := SourceReading{Name: src.Name(), Group: src.Group()}
	if got.Group == "" {
		got.Group = SystemGroup
	}
	select {
	case <-ctx.Done():
		got.Error = "no answer in time"
	case a := <-answers:
		switch {
		case a.err != nil:
			got.Error = a.err.Error()
		case !inRange(a.at):
			got.Error = "its answer is no time of this age"
		default:
			got.At = a.at.UTC().Round(0)
		}
	}
	return got
}
