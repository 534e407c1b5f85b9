package serve

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// A Site is what a process that stays serves: one installation, or those of a folder.
type Site interface {
	http.Handler
	Log() *slog.Logger
	// RefreshAhead refreshes kept tokens until ctx ends.
	RefreshAhead(ctx context.Context)
	Close()
}

// HTTP serves plain HTTP until a signal, then lets requests finish.
func HTTP(listeners []net.Listener, in Site) error {
	defer in.Close()
	ahead, noMore := context.WithCancel(context.Background())
	defer noMore()
	go in.RefreshAhead(ahead)
	bounds := boundsOf(in)
	boundMemory(bounds.heap)
	s := &http.Server{Handler: in, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: sendTimeout,
		WriteTimeout: 60 * time.Second, IdleTimeout: 60 * time.Second, MaxHeaderBytes: 64 << 10}
	stop := make(chan os.Signal, 8)
	signal.Notify(stop, append(endSignals(), syscall.SIGHUP)...)
	drained := make(chan error, 1)
	go func() {
		<-stop
		ctx, cancel := context.WithTimeout(context.Background(), 3*drainHandlers)
		defer cancel()
		drained <- s.Shutdown(ctx)
	}()
	failed := make(chan error, len(listeners))
	for _, l := range listeners {
		go func() { failed <- s.Serve(bounds.limit(l)) }()
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-drained
}
