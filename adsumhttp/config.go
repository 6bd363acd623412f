package adsumhttp

import "github.com/adsum-go/adsum/lb"

// What the options say, or the config of now.

func (o *options) policyNow() lb.Policy {
	if o.tuning != nil {
		return o.tuning.Policy()
	}
	return o.policy
}

func (o *options) retryNow() lb.Retry {
	if o.tuning != nil {
		return o.tuning.Retry()
	}
	return o.retry
}

func (o *options) hedgeNow() *lb.Hedge {
	if o.tuning != nil {
		return o.tuning.Hedge()
	}
	return o.hedge
}

// configured is closed when the config changes; nil if there is none.
func (o *options) configured() <-chan struct{} {
	if o.tuning == nil {
		return nil
	}
	return o.tuning.Changed()
}

// version is that of the config, 0 if there is none.
func (o *options) version() uint64 {
	if o.tuning == nil {
		return 0
	}
	return o.tuning.Version()
}
