package lb

import "math"

// weighed are the weights of one set of endpoints. The balancer keeps them side
// by side, so that nobody needs to look at thousands of endpoints to find that
// they all weigh the same. It is immutable.
type weighed struct {
	endpoints []*Endpoint
	weights   []float32
}

// weights returns the endpoints' weights; nil if they are all the same, which
// most policies can make quick work of. The slice must not be modified.
func (e *Env) weights(endpoints []*Endpoint) []float32 {
	var weights []float32
	if w := e.weighed.Load(); w != nil && len(w.endpoints) == len(endpoints) && &w.endpoints[0] == &endpoints[0] {
		weights = w.weights
	} else {
		weights = make([]float32, len(endpoints))
		for i, ep := range endpoints {
			weights[i] = math.Float32frombits(ep.weight.Load())
		}
	}
	if even(weights) {
		return nil
	}
	return weights
}

func even(weights []float32) bool {
	first := weights[0]
	for _, w := range weights {
		if w != first {
			return false
		}
	}
	return true
}

// shares returns the endpoints' weights relative to their mean; nil if they are
// all the same.
func (e *Env) shares(endpoints []*Endpoint) []float64 { return relative(e.weights(endpoints)) }

func relative(weights []float32) []float64 {
	if weights == nil {
		return nil
	}
	mean := meanOf(weights)
	shares := make([]float64, len(weights))
	for i, w := range weights {
		shares[i] = float64(w) / mean
	}
	return shares
}

func meanOf(weights []float32) float64 {
	sum := 0.0
	for _, w := range weights {
		sum += float64(w)
	}
	return sum / float64(len(weights))
}

// share is the share at i, of shares that may be nil.
func share(shares []float64, i int) float64 {
	if shares == nil {
		return 1
	}
	return shares[i]
}
