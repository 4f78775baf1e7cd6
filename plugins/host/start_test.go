package host_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/plugins/host"
)

func TestStartErrors(t *testing.T) {
	tests := []struct{ mode, code, message string }{
		{"garbage", "plugin.no_handshake", `printed "Hello, I am [31mnot[0m a plugin" instead`},
		{"silent", "plugin.no_handshake", "said nothing within 1s"},
		{"exit", "plugin.exited", "exit code 7; the last that it wrote:\n  my configuration is missing"},
		{"protocol", "plugin.wrong_protocol", "speaks version 99 of the plugin protocol, and this usher version 1"},
		{"insecure", "plugin.no_certificate", "does not encrypt its connection"},
		{"long", "plugin.no_handshake", "did not begin with a handshake"},
	}
	for _, tt := range tests {
		t.Run(tt.mode, func(t *testing.T) {
			if tt.mode == "silent" { // the others say something, be it late
				defer host.SetStartTimeout(host.SetStartTimeout(time.Second))
			}
			left := leftovers(t)
			h := host.New("")
			defer h.Close()
			_, err := h.Load(pipeline.Env{Log: testLog(t)}, declare(t, tt.mode))
			wantError(t, err, tt.code, tt.message)
			left.none(t)
		})
	}
}

// slowLog takes its time.
type slowLog struct{ slog.Handler }

// Handle implements slog.Handler.
func (l slowLog) Handle(ctx context.Context, r slog.Record) error {
	time.Sleep(500 * time.Millisecond)
	return l.Handler.Handle(ctx, r)
}

// TestLastWords has a plugin end before all that it has written is read.
func TestLastWords(t *testing.T) {
	h := host.New("")
	defer h.Close()
	_, err := h.Load(pipeline.Env{Log: slog.New(slowLog{testLog(t).Handler()})}, declare(t, "wordy"))
	wantError(t, err, "plugin.exited", "my configuration is missing")
}

func TestFileErrors(t *testing.T) {
	good := declare(t, "")
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	head, err := os.ReadFile(good.Path)
	if err != nil {
		t.Fatal(err)
	}
	other := append([]byte(nil), head[:64<<10]...)
	other[18] ^= 0x55 // e_machine
	tests := []struct {
		name, code string
		plugin     pipeline.Plugin
	}{
		{"missing", "plugin.not_found", pipeline.Plugin{Path: filepath.Join(dir, "none")}},
		{"folder", "plugin.not_a_program", pipeline.Plugin{Path: dir}},
		{"no run bit", "plugin.not_executable", pipeline.Plugin{Path: file("plain", "#!/bin/sh\n", 0o600)}},
		{"everybody's", "plugin.writable", pipeline.Plugin{Path: file("open", "#!/bin/sh\n", 0o777)}},
		{"text", "plugin.not_a_program", pipeline.Plugin{Path: file("text", "hello", 0o700)}},
		{"other processor", "plugin.wrong_architecture", pipeline.Plugin{Path: file("other", string(other), 0o700)}},
		{"windows", "plugin.wrong_architecture", pipeline.Plugin{Path: file("a.exe", "MZ\x90", 0o700)}},
		{"macOS", "plugin.wrong_architecture", pipeline.Plugin{Path: file("mac", "\xcf\xfa\xed\xfe", 0o700)}},
		{"no interpreter", "plugin.no_interpreter", pipeline.Plugin{Path: file("script", "#!/usr/bin/env nosuchprogram\n", 0o700)}},
		{"no command", "plugin.no_interpreter", pipeline.Plugin{Path: file("script.py", "", 0o600), Command: []string{"nosuchprogram"}}},
		{"checksum", "plugin.checksum", pipeline.Plugin{Path: good.Path, SHA256: strings.Repeat("0", 64)}},
		{"further file", "plugin.not_found", pipeline.Plugin{Path: good.Path, Files: []string{filepath.Join(dir, "none")}, SHA256: good.SHA256}},
	}
	if runtime.GOOS != "linux" {
		t.Skip("what programs look like is known for Linux")
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := tt.plugin
			p.Name = "broken"
			if p.SHA256 == "" {
				p.SHA256, _ = host.Checksum(p)
			}
			_, err := host.New("").Load(pipeline.Env{Log: testLog(t)}, p)
			wantError(t, err, tt.code, "the plugin broken")
		})
	}
}

func wantError(t *testing.T, err error, code, message string) {
	t.Helper()
	var known *pipeline.Error
	if !errors.As(err, &known) || known.Code != code || !strings.Contains(known.Message, message) {
		t.Fatalf("got %v\nwant %s [%s]", err, message, code)
	}
}

// TestDescriptionIsKept reads what a plugin has without starting it.
func TestDescriptionIsKept(t *testing.T) {
	cache := t.TempDir()
	p := declare(t, "")
	h := host.New(cache)
	if _, err := h.Load(pipeline.Env{Log: testLog(t)}, p); err != nil {
		t.Fatal(err)
	}
	h.Close()
	// A plugin that would not start is not started.
	t.Setenv("TESTPLUGIN_MODE", "exit")
	h = host.New(cache)
	defer h.Close()
	if _, err := h.Load(pipeline.Env{Log: testLog(t)}, p); err != nil {
		t.Fatal(err)
	}
	// What was kept and is damaged is asked for again.
	kept, err := os.ReadDir(cache)
	if err != nil || len(kept) != 1 {
		t.Fatalf("%v, kept are %v", err, kept)
	}
	if err := os.WriteFile(filepath.Join(cache, kept[0].Name()), []byte("\xff\xff"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = host.New(cache).Load(pipeline.Env{Log: testLog(t)}, p)
	wantError(t, err, "plugin.exited", "")
}
