package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// pipeline is examples/05-pipeline in one Go program that keeps everything in memory: an endpoint, 8 scrapers and 4
// forwarders, as the asyncio program has them. It serves until ctx ends.
func pipeline(ctx context.Context, args []string) (any, error) {
	flags := flag.NewFlagSet("pipeline", flag.ContinueOnError)
	listen := flags.String("listen", "", "address to take messages at")
	sink := flags.String("sink", "", "where the pages go")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		return nil, err
	}
	p := &pipes{
		sink: *sink, urls: make(chan address, 10_000), pages: make(chan page, 10_000),
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}},
	}
	for range 8 {
		go p.scrape()
	}
	for range 4 {
		go p.forward()
	}
	server := &http.Server{Handler: http.HandlerFunc(p.take)}
	defer context.AfterFunc(ctx, func() { server.Close() })()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return nil, err
	}
	return struct{}{}, nil
}

type address struct {
	URL string `json:"url"`
}

type page struct {
	URL     string    `json:"url"`
	Status  int       `json:"status"`
	Body    string    `json:"body"`
	Fetched time.Time `json:"fetched_at"`
}

type pipes struct {
	sink   string
	client *http.Client
	urls   chan address
	pages  chan page
}

func (p *pipes) take(w http.ResponseWriter, r *http.Request) {
	var a address
	if err := json.NewDecoder(r.Body).Decode(&a); err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	p.urls <- a
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	fmt.Fprint(w, `{}`)
}

// scrape and forward lose what fails: the measurement then waits for it in vain, and says so.
func (p *pipes) scrape() {
	for a := range p.urls {
		answer, err := p.client.Get(a.URL)
		if err != nil {
			continue
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err == nil {
			p.pages <- page{a.URL, answer.StatusCode, string(body), time.Now().UTC()}
		}
	}
}

func (p *pipes) forward() {
	for page := range p.pages {
		text, err := json.Marshal(page)
		if err != nil {
			continue
		}
		answer, err := p.client.Post(p.sink, "application/json", bytes.NewReader(text))
		if err != nil {
			continue
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
	}
}
