package archtest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func packaging(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "packaging", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func exists(t *testing.T, where, path string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(root, path)); err != nil {
		t.Errorf("%s names %s: %v", where, path, err)
	}
}

func TestPackagesNameFilesThatAreThere(t *testing.T) {
	t.Parallel()
	var release struct {
		Builds []struct{ Main, Binary string }
		Nfpms  []struct {
			Bindir   string
			Contents []struct{ Src, Dst string }
			Scripts  map[string]string
		}
	}
	if err := yaml.Unmarshal([]byte(packaging(t, "goreleaser.yaml")), &release); err != nil || len(release.Nfpms) != 1 {
		t.Fatal(len(release.Nfpms), "packages:", err)
	}
	pkg := release.Nfpms[0]
	places := map[string]bool{}
	for _, b := range release.Builds {
		places[filepath.Join(pkg.Bindir, b.Binary)] = true
		exists(t, "goreleaser.yaml", b.Main)
	}
	plugins, err := filepath.Glob(filepath.Join(root, "plugins", "*", "main.go"))
	if err != nil || len(plugins) == 0 {
		t.Fatal(plugins, err)
	}
	for _, main := range plugins {
		if name := filepath.Base(filepath.Dir(main)); !places["/usr/lib/taskhost/plugins/"+name] {
			t.Errorf("the package is without the plugin %s", name)
		}
	}
	for _, c := range pkg.Contents {
		places[c.Dst] = true
		if !strings.HasPrefix(c.Src, "dist/") { // those are built
			exists(t, "goreleaser.yaml", c.Src)
		}
	}
	if len(places) < 10 || len(pkg.Scripts) != 3 {
		t.Errorf("the package has %d files and %d scripts", len(places), len(pkg.Scripts))
	}
	for _, script := range pkg.Scripts {
		exists(t, "goreleaser.yaml", script)
		if info, err := os.Stat(filepath.Join(root, script)); err == nil && info.Mode()&0o111 == 0 {
			t.Errorf("%s is not executable", script)
		}
	}
	start := regexp.MustCompile(`(?m)^ExecStart=(\S+) serve -config (\S+)$`).FindStringSubmatch(packaging(t, "systemd/taskhost.service"))
	if start == nil || !places[start[1]] || !places[start[2]+"/taskhost.hcl"] {
		t.Errorf("the unit starts %v, which the package does not install", start)
	}
}

func TestTheImageCopiesFilesThatAreThere(t *testing.T) {
	t.Parallel()
	docker := packaging(t, "docker/Dockerfile")
	copies := regexp.MustCompile(`(?m)^COPY (.+) \S+$`).FindAllStringSubmatch(docker, -1)
	if len(copies) < 4 {
		t.Fatalf("the Dockerfile copies %v", copies)
	}
	for _, c := range copies {
		if strings.Contains(c[1], "--from=") {
			continue
		}
		for path := range strings.FieldsSeq(c[1]) {
			exists(t, "the Dockerfile", path)
		}
	}
	module, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(string(module))
	if version == nil || !strings.Contains(docker, "FROM golang:"+version[1]+"-") {
		t.Errorf("the Dockerfile does not build with the Go of go.mod, %v", version)
	}
	var compose struct {
		Services map[string]struct {
			Build   struct{ Context, Dockerfile string }
			Volumes []string
		}
	}
	if err := yaml.Unmarshal([]byte(packaging(t, "docker/compose.yaml")), &compose); err != nil {
		t.Fatal(err)
	}
	service, ok := compose.Services["taskhost"]
	if !ok {
		t.Fatal("compose.yaml has no service taskhost")
	}
	exists(t, "compose.yaml", service.Build.Dockerfile)
	for _, v := range service.Volumes {
		if from, _, _ := strings.Cut(v, ":"); strings.HasPrefix(from, "./") {
			exists(t, "compose.yaml", filepath.Join("packaging/docker", from))
		}
	}
}
