package main

import (
	"context"
	"errors"
	"flag"
	"os/exec"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/taskhost/taskhost/sdk/wire"
	"github.com/taskhost/taskhost/sdk/wire/taskv1"
)

// launchResult holds the times of launches in nanoseconds.
type launchResult struct {
	Handshake []int64 `json:"handshake"` // until the plugin has said where it serves
	Answering []int64 `json:"answering"` // until it has answered a first request
}

// launchFloor starts a plugin again and again, as go-plugin does it.
func launchFloor(ctx context.Context, args []string) (any, error) {
	flags := flag.NewFlagSet("launch", flag.ContinueOnError)
	path := flags.String("plugin", "", "binary")
	count := flags.Int("n", 20, "launches")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	var r launchResult
	for range *count {
		began := time.Now()
		client := newClient(*path)
		_, err := client.Start()
		handshake := time.Since(began)
		var rpc taskv1.TaskClient
		if err == nil {
			rpc, err = dispense(client)
		}
		if err == nil {
			_, err = rpc.Ping(ctx, &taskv1.PingRequest{})
		}
		answering := time.Since(began)
		client.Kill()
		if err != nil {
			return nil, err
		}
		r.Handshake = append(r.Handshake, int64(handshake))
		r.Answering = append(r.Answering, int64(answering))
	}
	return r, nil
}

// newClient is a plugin as go-plugin's documentation starts it, without its log.
func newClient(path string) *plugin.Client {
	cmd := exec.Command(path)
	cmd.Env = []string{wire.LifelineEnv + "=1"} // this program's stdin, which it passes on
	return plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  plugin.HandshakeConfig{ProtocolVersion: wire.ProtocolVersion, MagicCookieKey: wire.CookieKey, MagicCookieValue: wire.CookieValue},
		Plugins:          plugin.PluginSet{wire.ServiceName: service{}},
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		Logger:           hclog.NewNullLogger(),
		Cmd:              cmd,
	})
}

func dispense(client *plugin.Client) (taskv1.TaskClient, error) {
	protocol, err := client.Client()
	if err != nil {
		return nil, err
	}
	raw, err := protocol.Dispense(wire.ServiceName)
	if err != nil {
		return nil, err
	}
	return raw.(taskv1.TaskClient), nil
}

// service is the plugin's service in the form that go-plugin wants.
type service struct{ plugin.NetRPCUnsupportedPlugin }

var _ plugin.GRPCPlugin = service{}

func (service) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error {
	return errors.New("a host serves nothing")
}

func (service) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return taskv1.NewTaskClient(conn), nil
}
