package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
)

// interruption turns the first SIGINT, SIGTERM or SIGHUP into the end of a context, so that the batch in hand is finished and a
// checkpoint written, and the second into the end of the process: nothing is lost then either, the run is resumed from
// an earlier checkpoint.
type interruption struct {
	context.Context
	stop   func()
	signal atomic.Int32
}

func (a *app) interruptible(parent context.Context) *interruption {
	ctx, cancel := context.WithCancel(parent)
	i := &interruption{Context: ctx}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // as nohup has it
		signal.Notify(signals, syscall.SIGHUP)
	}
	ended := make(chan struct{})
	i.stop = func() {
		signal.Stop(signals)
		close(ended)
		cancel()
	}
	go func() {
		for {
			select {
			case s := <-signals:
				number := s.(syscall.Signal)
				if !i.signal.CompareAndSwap(0, int32(number)) {
					os.Exit(exitSignal + int(number))
				}
				fmt.Fprintf(a.stderr, "%s: finishing what was read; once more to stop at once\n", s)
				cancel()
			case <-ended:
				return
			}
		}
	}()
	return i
}

// exitCode is that of a process ended by the signal that came.
func (i *interruption) exitCode() int { return exitSignal + int(i.signal.Load()) }
