package main

import (
	"fmt"
	"strings"
	"testing"
)

func TestTableLinesUpAsItShows(t *testing.T) {
	var out strings.Builder
	w := newTable(&out)
	fmt.Fprintln(w, "field\ttype\tfilled")
	fmt.Fprintln(w, "手机号\tstring\t3")
	fmt.Fprintln(w, "\tnumber\t10")
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	want := "field   type    filled\n手机号  string  3\n        number  10\n"
	if out.String() != want {
		t.Errorf("\n%swant\n%s", out.String(), want)
	}
}
