package adsumgrpc

import "github.com/adsum-go/adsum/lb"

// What the options say, or the config of now.

func (s *settings) policyNow() lb.Policy {
	if s.tuning != nil {
		return s.tuning.Policy()
	}
	return s.policy
}

func (s *settings) retryNow() lb.Retry {
	if s.tuning != nil {
		return s.tuning.Retry()
	}
	return s.retry
}

// triesAgain reports whether calls may ever be sent again by this package.
func (s *settings) triesAgain() bool { return s.tuning != nil || s.retry.Max != 1 }

func (s *settings) hedgeNow() *lb.Hedge {
	if s.tuning != nil {
		return s.tuning.Hedge()
	}
	return s.hedge
}

// configured is closed when the config changes; nil if there is none.
func (s *settings) configured() <-chan struct{} {
	if s.tuning == nil {
		return nil
	}
	return s.tuning.Changed()
}

// version is that of the config, 0 if there is none.
func (s *settings) version() uint64 {
	if s.tuning == nil {
		return 0
	}
	return s.tuning.Version()
}
