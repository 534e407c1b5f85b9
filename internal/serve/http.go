package serve

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"mintkeep/internal/instance"
)

// HTTP serves plain HTTP until a signal, then lets requests finish.
func HTTP(listeners []net.Listener, in *instance.Instance) error {
	defer in.Close()
	ahead, noMore := context.WithCancel(context.Background())
	defer noMore()
	go in.RefreshAhead(ahead)
	boundMemory()
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
		go func() { failed <- s.Serve(bound(l)) }()
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-drained
}
