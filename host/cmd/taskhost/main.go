// Command taskhost is the host and its command line in one binary: `taskhost serve`
// runs the host, every other command asks one over the admin API.
package main

import (
	"context"
	"os"

	"github.com/taskhost/taskhost/host/internal/cli"
)

func main() {
	os.Exit(cli.Run(context.Background(), os.Args[1:], cli.OSTerminal(), commands()))
}
