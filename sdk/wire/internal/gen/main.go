// Command gen writes the Go code of task.proto with Go tools alone: protocompile
// parses it, and the two standard generators of go.mod turn it into code. It is
// run by `make generate`; with -check it writes nothing and fails when the code
// in the tree is stale.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

const source = "task.proto"

func main() {
	dir := flag.String("dir", ".", "directory of task.proto")
	check := flag.Bool("check", false, "write nothing; fail when the generated code is stale")
	flag.Parse()
	if err := run(*dir, *check); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(dir string, check bool) error {
	request, err := compile(dir)
	if err != nil {
		return fmt.Errorf("compile %s: %w", source, err)
	}
	var stale []string
	for _, generator := range []string{"protoc-gen-go", "protoc-gen-go-grpc"} {
		files, err := generate(generator, request)
		if err != nil {
			return fmt.Errorf("run %s: %w", generator, err)
		}
		for _, f := range files {
			path := filepath.Join(dir, "taskv1", f.GetName())
			old, err := os.ReadFile(path)
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
			if bytes.Equal(old, []byte(f.GetContent())) {
				continue
			}
			stale = append(stale, path)
			if check {
				continue
			}
			if err := os.WriteFile(path, []byte(f.GetContent()), 0o644); err != nil {
				return err
			}
		}
	}
	if check && len(stale) > 0 {
		return fmt.Errorf("%v is stale; run make generate", stale)
	}
	return nil
}

// compile parses the proto file into the request that every generator understands.
func compile(dir string) (*pluginpb.CodeGeneratorRequest, error) {
	compiler := protocompile.Compiler{
		Resolver:       protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: []string{dir}}),
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	files, err := compiler.Compile(context.Background(), source)
	if err != nil {
		return nil, err
	}
	descriptor := protodesc.ToFileDescriptorProto(files[0])
	return &pluginpb.CodeGeneratorRequest{
		FileToGenerate: []string{source},
		Parameter:      proto.String("paths=source_relative"),
		ProtoFile:      []*descriptorpb.FileDescriptorProto{descriptor},
	}, nil
}

// generate runs one generator, as protoc would, over the tools of go.mod.
func generate(tool string, request *pluginpb.CodeGeneratorRequest) ([]*pluginpb.CodeGeneratorResponse_File, error) {
	in, err := proto.Marshal(request)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("go", "tool", tool)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	response := &pluginpb.CodeGeneratorResponse{}
	if err := proto.Unmarshal(out, response); err != nil {
		return nil, err
	}
	if response.Error != nil {
		return nil, errors.New(response.GetError())
	}
	return response.GetFile(), nil
}
