package log

import (
	"context"
	"log/slog"
	"strings"

	"saga.step/saga/internal/host"
)

// Handler brings the lines of log/slog to the host:
//
//	func init() { slog.SetDefault(slog.New(log.Handler())) }
func Handler() slog.Handler { return &handler{} }

// handler lets a text handler write each line, without what the host adds by itself.
type handler struct {
	with []func(slog.Handler) slog.Handler
}

func (h *handler) Enabled(context.Context, slog.Level) bool { return true }

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.and(func(inner slog.Handler) slog.Handler { return inner.WithAttrs(attrs) })
}

func (h *handler) WithGroup(name string) slog.Handler {
	return h.and(func(inner slog.Handler) slog.Handler { return inner.WithGroup(name) })
}

func (h *handler) and(more func(slog.Handler) slog.Handler) *handler {
	return &handler{append(h.with[:len(h.with):len(h.with)], more)}
}

func (h *handler) Handle(ctx context.Context, record slog.Record) error {
	var out strings.Builder
	var inner slog.Handler = slog.NewTextHandler(&out, &slog.HandlerOptions{
		Level: slog.Level(-1 << 10),
		ReplaceAttr: func(groups []string, attr slog.Attr) slog.Attr {
			isOwn := attr.Key == slog.TimeKey || attr.Key == slog.LevelKey || attr.Key == slog.MessageKey
			if len(groups) == 0 && isOwn {
				return slog.Attr{}
			}
			return attr
		},
	})
	for _, more := range h.with {
		inner = more(inner)
	}
	if err := inner.Handle(ctx, record); err != nil {
		return err
	}
	message := strings.TrimSpace(record.Message + " " + strings.TrimSuffix(out.String(), "\n"))
	host.Log(levelOf(record.Level), "slog", message)
	return nil
}

func levelOf(level slog.Level) host.Level {
	switch {
	case level < slog.LevelDebug:
		return host.Trace
	case level < slog.LevelInfo:
		return host.Debug
	case level < slog.LevelWarn:
		return host.Info
	case level < slog.LevelError:
		return host.Warn
	default:
		return host.Error
	}
}
