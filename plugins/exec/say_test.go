package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/taskhost/taskhost/sdk/notify"
)

// sayer is the first argument that turns the test's own binary into one that speaks to a plugin, for scripts.
const sayer = "say-of-this-test"

// say sends notices as daemons do, or requests as taskhost notify does, and returns the exit code.
func say(args []string) int {
	if err := sayAll(args); err != nil {
		fmt.Println("say:", err)
		return 1
	}
	return 0
}

func sayAll(args []string) error {
	switch args[0] {
	case "notice":
		return notices(args[1:], nil)
	case "many":
		return notices(strings.Fields(strings.Repeat(args[1]+" ", 1000)), nil)
	case "listen":
		l, err := net.Listen("unix", args[1])
		if err != nil {
			return err
		}
		defer l.Close()
		for {
			if _, err := l.Accept(); err != nil {
				return err
			}
		}
	case "barrier":
		r, w, err := os.Pipe()
		if err != nil {
			return err
		}
		err = notices([]string{"BARRIER=1"}, syscall.UnixRights(int(w.Fd())))
		w.Close()
		if err == nil {
			_, _ = r.Read(make([]byte, 1)) // until the other end has closed its copy
		}
		return err
	}
	c, err := notify.Dial(context.Background(), os.Getenv(notify.Env))
	if err != nil {
		return err
	}
	defer c.Close()
	for _, text := range args[1:] {
		var q notify.Request
		if err := json.Unmarshal([]byte(text), &q); err != nil {
			return err
		}
		r, err := c.Ask(q)
		if err != nil {
			fmt.Println("refused:", err)
			continue
		}
		fmt.Println(strings.TrimSpace(fmt.Sprint("ok ", string(r.Value))))
	}
	return nil
}

func notices(texts []string, rights []byte) error {
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	for _, text := range texts {
		if err := syscall.Sendmsg(fd, []byte(text), rights, &syscall.SockaddrUnix{Name: os.Getenv("NOTIFY_SOCKET")}, 0); err != nil {
			return err
		}
	}
	return nil
}
