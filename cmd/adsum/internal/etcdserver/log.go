package etcdserver

import (
	"os"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// newLogger writes etcd's errors to stderr.
func newLogger(level zapcore.LevelEnabler) *zap.Logger {
	encoder := zapcore.NewConsoleEncoder(zap.NewDevelopmentEncoderConfig())
	return zap.New(falseAlarms{zapcore.NewCore(encoder, zapcore.Lock(os.Stderr), level)})
}

// falseAlarms drops the error that etcd 3.7 logs at every first start: it
// records its storage version once the first snapshot is written, and until
// then reports that it could not.
type falseAlarms struct{ zapcore.Core }

func (c falseAlarms) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if e.Message == "failed to update storage version" {
		return ce
	}
	return c.Core.Check(e, ce)
}

func (c falseAlarms) With(fields []zapcore.Field) zapcore.Core {
	return falseAlarms{c.Core.With(fields)}
}
