package docs

import (
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/taskhost/taskhost/host/admintest"
)

// The README's tour, command by command: each must succeed and print lines of the kind that the README shows.
func TestTheTourOfTheREADMEWorks(t *testing.T) {
	t.Parallel()
	site := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer site.Close()
	config := read(t, filepath.Join(root, "config.hcl"))
	_, tasks, found := strings.Cut(config, "\ndefaults {")
	if !found {
		t.Fatal("config.hcl has no defaults")
	}
	h := admintest.Start(t, admintest.Options{
		HCL:     "variable \"site\" {}\n\ndefaults {" + tasks,
		Plugins: []string{"plugins/exec", "plugins/http", "plugins/files"},
		Vars:    map[string]string{"site": site.URL},
	})
	taskhost := admintest.Build(t, "host/cmd/taskhost")
	_, tour, _ := strings.Cut(read(t, filepath.Join(root, "README.md")), "## Five minutes")
	tour, _, _ = strings.Cut(tour, "\n## ")
	seen := 0
	for _, b := range blocks(tour) {
		for _, step := range strings.Split("\n"+b.text, "\n$ ")[1:] {
			command, shown, _ := strings.Cut(step, "\n")
			if !strings.HasPrefix(command, "taskhost ") {
				continue
			}
			seen++
			cmd := exec.Command(taskhost, shellWords(command)[1:]...)
			cmd.Dir = h.Dir
			out, err := cmd.Output()
			if err != nil {
				t.Errorf("%s: %v", command, err)
			}
			got := kinds(string(out))
			for line := range kinds(shown) {
				if !got[line] {
					t.Errorf("%s prints no line that begins with %q as the README says; it prints\n%s", command, line, out)
				}
			}
		}
	}
	if seen < 6 {
		t.Errorf("the tour has only %d commands", seen)
	}
}

var (
	anID     = regexp.MustCompile(`\b[0-9a-z]{26}\b`)
	aNumber  = regexp.MustCompile(`[0-9]+([:.][0-9]+)*`)
	aWeekday = regexp.MustCompile(`^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)$`)
	aHeading = regexp.MustCompile(`^[A-Z][A-Z' ]+$`)
)

// kinds are the lines of an output without what differs each time: the first word of each, with ids,
// weekdays and numbers replaced, and the whole of a table's heading.
func kinds(output string) map[string]bool {
	all := map[string]bool{}
	for line := range strings.Lines(output) {
		words := strings.Fields(line)
		switch text := strings.Join(words, " "); {
		case text == "":
		case aHeading.MatchString(text):
			all[text] = true
		case aWeekday.MatchString(words[0]):
			all["DAY"] = true
		default:
			all[aNumber.ReplaceAllString(anID.ReplaceAllString(words[0], "ID"), "N")] = true
		}
	}
	return all
}
