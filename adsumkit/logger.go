package adsumkit

import (
	"context"
	"log/slog"
	"slices"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
)

// NewLogger makes a slog logger that writes to a go-kit one, for
// adsum.WithLogger: the level as go-kit's level package sets it, the message
// under "msg", and every attribute under its own key, groups joined by dots.
// What to drop is the go-kit logger's to decide (level.NewFilter).
func NewLogger(logger log.Logger) *slog.Logger { return slog.New(&handler{logger: logger}) }

// handler is a slog.Handler.
type handler struct {
	logger  log.Logger
	prefix  string // of the open groups
	keyvals []any  // of WithAttrs
}

func (h *handler) Enabled(context.Context, slog.Level) bool { return true }

func (h *handler) Handle(_ context.Context, r slog.Record) error {
	keyvals := append([]any{"msg", r.Message}, h.keyvals...)
	r.Attrs(func(a slog.Attr) bool {
		keyvals = appendAttr(keyvals, h.prefix, a)
		return true
	})
	logger := level.Error
	switch {
	case r.Level < slog.LevelInfo:
		logger = level.Debug
	case r.Level < slog.LevelWarn:
		logger = level.Info
	case r.Level < slog.LevelError:
		logger = level.Warn
	}
	return logger(h.logger).Log(keyvals...)
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := &handler{logger: h.logger, prefix: h.prefix, keyvals: slices.Clone(h.keyvals)}
	for _, a := range attrs {
		with.keyvals = appendAttr(with.keyvals, h.prefix, a)
	}
	return with
}

func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return &handler{logger: h.logger, prefix: h.prefix + name + ".", keyvals: h.keyvals}
}

func appendAttr(keyvals []any, prefix string, a slog.Attr) []any {
	value := a.Value.Resolve()
	if value.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, member := range value.Group() {
			keyvals = appendAttr(keyvals, prefix, member)
		}
		return keyvals
	}
	if a.Equal(slog.Attr{}) {
		return keyvals
	}
	return append(keyvals, prefix+a.Key, value.Any())
}
