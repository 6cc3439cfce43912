// Command opens is a plugin that does what it must not before it serves.
package main

import (
	"context"
	"net"
	"os"
	"os/exec"

	"github.com/taskhost/taskhost/sdk/task"
)

func main() {
	file, _ := os.Create("leftover.txt")
	listener, _ := net.Listen("tcp", "127.0.0.1:0")
	child := exec.Command("cat")
	pipe, _ := child.StdinPipe()
	_ = child.Start()
	defer func() { _, _, _ = file.Close(), listener.Close(), pipe.Close() }()
	go func() { select {} }()
	task.Serve(task.Plugin{Name: "opens", Types: []task.Type{
		task.Periodic("run", func(context.Context, *task.Host, struct{}) error { return nil }),
	}})
}
