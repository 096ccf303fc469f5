package retention

// Newest gives the id of the point that a source is restored from when all
// others are gone: the newest whole one, or if there is none the newest complete
// one; "" if there is none either. What is deleted, has failed verification or is
// a remnant is not one. The deleted ones still tell which of the others shrank.
func Newest(history []PastPoint) string {
	points := sorted(states(history))
	best, isWhole := "", false
	for i, q := range judgeAll(measures(points)) {
		p := points[i]
		if p.Deleted || !p.Complete || q == damaged {
			continue
		}
		if q == whole || !isWhole {
			best, isWhole = p.ID, q == whole
		}
	}
	return best
}
