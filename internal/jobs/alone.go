package jobs

// Alone runs a change that no job may overlap, because what the job decides by
// would change under it. While one is at work it fails with errkind.Busy.
func (r *Runner) Alone(purpose string, fn func() error) error {
	done, err := r.work.now(ofAll(purpose))
	if err != nil {
		return err
	}
	defer done()
	return fn()
}
