// Command taskhost is the host and its command line.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/taskhost/taskhost/host/internal/app"
)

func main() {
	if err := app.Serve(context.Background(), app.ServeOptions{Source: app.Source{Paths: []string{os.Args[3]}}, Version: "0.1.0", Out: os.Stderr}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
