package cli

import (
	"io"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/counterfoil/counterfoil/internal/api"
)

// defaultWidth is the width of a terminal that does not tell.
const defaultWidth = 80

// barProgress draws one bar, for the step at work, and takes it away at the
// end.
type barProgress struct {
	bars *mpb.Progress
	bar  *mpb.Bar
	step string
	// bounded says that the total of the step is known.
	bounded bool
}

func newBarProgress(w io.Writer, width int) *barProgress {
	if width <= 0 {
		width = defaultWidth
	}
	return &barProgress{bars: mpb.New(mpb.WithOutput(w), mpb.WithWidth(width-1), mpb.WithAutoRefresh())}
}

func (p *barProgress) event(e api.Event) {
	if e.Message != "" {
		// Above the bar; what cannot be shown cannot be helped.
		io.WriteString(p.bars, safe(e.Message)+"\n") //nolint:errcheck // see above
	}
	if e.Progress == nil {
		return
	}
	at := *e.Progress
	if bounded := at.Total > 0; p.bar == nil || at.Step != p.step || bounded != p.bounded {
		p.drop()
		p.step, p.bounded = at.Step, bounded
		p.bar = p.begin(at)
	}
	if p.bounded {
		// The bar must not complete by itself: the step's end does.
		p.bar.SetTotal(max(at.Total, at.Done+1), false)
	}
	p.bar.SetCurrent(at.Done)
}

// begin makes the bar of a step. Without a total there is only a count and a
// rate.
func (p *barProgress) begin(at api.Progress) *mpb.Bar {
	bytes := at.Unit == "bytes" || at.Unit == ""
	name := decor.Name(safe(at.Step), decor.WC{C: decor.DindentRight | decor.DextraSpace})
	rate := decor.AverageSpeed(0, "%.0f/s")
	if bytes {
		rate = decor.AverageSpeed(decor.SizeB1024(0), "% .1f")
	}
	if at.Total <= 0 {
		done := decor.CurrentNoUnit("%d ")
		if bytes {
			done = decor.CurrentKibiByte("% .1f ")
		}
		return p.bars.MustAdd(0, mpb.NopStyle().Build(), mpb.PrependDecorators(name, done, rate))
	}
	done := decor.CountersNoUnit("%d / %d ")
	if bytes {
		done = decor.CountersKibiByte("% .1f / % .1f ")
	}
	return p.bars.MustAdd(at.Total, mpb.BarStyle().Build(),
		mpb.PrependDecorators(name, done),
		mpb.AppendDecorators(decor.Percentage(), decor.Name("  "), rate,
			decor.Name("  "), decor.AverageETA(decor.ET_STYLE_GO), decor.Name(" left")))
}

func (p *barProgress) drop() {
	if p.bar != nil {
		p.bar.Abort(true)
		p.bar.Wait()
		p.bar = nil
	}
}

func (p *barProgress) stop() {
	p.drop()
	p.bars.Wait()
}
