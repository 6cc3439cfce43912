package archtest

import (
	"os"
	"strings"
	"testing"

	load "golang.org/x/tools/go/packages"
)

// TestTheCodeFitsTheOtherPlatforms checks the types of everything for the platforms that this machine is not: a whole build for
// each (`make cross`, in CI) takes minutes.
func TestTheCodeFitsTheOtherPlatforms(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes a while")
	}
	host := []string{"./host/...", "./plugins/...", "./sdk/...", "./examples/..."}
	for platform, patterns := range map[string][]string{
		"linux/arm64":   host,
		"darwin/arm64":  host,
		"darwin/amd64":  host,
		"windows/amd64": {"./sdk/...", "./host/admin"}, // a plugin can be written and tested there, a host does not run
	} {
		t.Run(platform, func(t *testing.T) {
			system, arch, _ := strings.Cut(platform, "/")
			all, err := load.Load(&load.Config{
				Mode: load.NeedName | load.NeedFiles | load.NeedImports | load.NeedDeps | load.NeedTypes | load.NeedSyntax,
				Dir:  root,
				Env:  append(os.Environ(), "GOOS="+system, "GOARCH="+arch, "CGO_ENABLED=0"),
			}, patterns...)
			if err != nil {
				t.Fatal(err)
			}
			if len(all) < 5 {
				t.Fatalf("only %d packages were found", len(all))
			}
			load.Visit(all, nil, func(p *load.Package) {
				if !strings.HasPrefix(p.PkgPath, strings.TrimSuffix(module, "/")) {
					return
				}
				for _, e := range p.Errors {
					t.Errorf("%s: %s", p.PkgPath, e)
				}
			})
		})
	}
}
