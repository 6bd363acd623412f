package lb

// Limit bounds how many calls are under way from here to one endpoint at a time,
// so that one that answers late does not take up all that the caller has. The
// zero value is no limit.
type Limit struct {
	// Max is how many there may be; any number if zero.
	Max int
	// Adaptive finds a limit of its own for each endpoint, up to Max, by how
	// long its calls take; see [Gradient], whose settings the others are.
	Adaptive  bool
	Initial   int     // 100 if zero
	Min       int     // 4 if zero
	Tolerance float64 // 2 if zero
}

func (l Limit) on() bool { return l.Max > 0 || l.Adaptive }

// gradient is that of one endpoint, nil if the limit is fixed.
func (l Limit) gradient() *Gradient {
	if !l.Adaptive {
		return nil
	}
	return &Gradient{Initial: l.Initial, Min: l.Min, Max: l.Max, Tolerance: l.Tolerance}
}
