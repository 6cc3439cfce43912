package config

import (
	"fmt"
	"strings"
)

// AttributeDoc documents one attribute or block of the language.
type AttributeDoc struct {
	Path    string `json:"path"` // "task.periodic.every"; a label is written as "task.after_run[task]"
	Block   bool   `json:"block,omitempty"`
	Type    string `json:"type,omitempty"`    // of an attribute
	Default string `json:"default,omitempty"` // what holds when it is left out
	Change  string `json:"change,omitempty"`  // of an attribute: when a change of it takes effect in a running host
	Doc     string `json:"doc"`
}

// Reference lists every block and attribute that the decoder accepts, in the
// order in which a person would read of them. Attributes that defaults shares
// with task are listed under task only.
func Reference() []AttributeDoc {
	var docs []AttributeDoc
	var walk func(s *shape, path []string)
	walk = func(s *shape, path []string) {
		name := s.name
		if s.label != "" {
			name += "[" + s.label + "]"
		}
		path = append(path[:len(path):len(path)], name)
		prefix := strings.Join(path, ".")
		docs = append(docs, AttributeDoc{Path: prefix, Block: true, Doc: s.doc})
		if s == defaultsShape {
			return
		}
		for _, a := range s.attrs {
			at := prefix + "." + a.name
			docs = append(docs, AttributeDoc{Path: at, Type: string(a.kind), Default: a.def, Change: changeOf(at), Doc: a.doc})
		}
		for _, b := range s.blocks {
			walk(b, path)
		}
	}
	for _, b := range rootShape.blocks {
		walk(b, nil)
	}
	return docs
}

// Markdown is the reference as a document: a section per block, each with a table of
// its attributes, then the functions.
func Markdown() string {
	var out strings.Builder
	header := false
	for _, d := range Reference() {
		if d.Block {
			fmt.Fprintf(&out, "\n### `%s`\n\n%s\n", d.Path, d.Doc)
			header = false
			continue
		}
		if !header {
			out.WriteString("\n| attribute | type | default | a change | |\n|---|---|---|---|---|\n")
			header = true
		}
		name := d.Path[strings.LastIndexByte(d.Path, '.')+1:]
		fmt.Fprintf(&out, "| `%s` | %s | %s | %s | %s |\n", name, cell(d.Type), cell(d.Default), cell(d.Change), cell(d.Doc))
	}
	out.WriteString("\n### Functions\n\n| call | |\n|---|---|\n")
	for _, f := range Functions() {
		fmt.Fprintf(&out, "| `%s` | %s |\n", f.Call, cell(f.Doc))
	}
	return strings.TrimLeft(out.String(), "\n")
}

// cell keeps a text within its cell of a table.
func cell(text string) string { return strings.ReplaceAll(text, "|", "\\|") }
