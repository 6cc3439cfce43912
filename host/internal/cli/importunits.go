package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

var (
	unitName     = regexp.MustCompile(`\.(service|timer)$`)
	instanceName = regexp.MustCompile(`@.+\.(service|timer)$`)
	dropInName   = regexp.MustCompile(`\.conf$`)
	dropInDir    = regexp.MustCompile(`^(.+\.)?(service|timer)\.d$`)
	wantsDir     = regexp.MustCompile(`\.(wants|requires)$`)
)

// unitNames are the files of one unit: its own, or for an instance that of its template, and the drop-ins beside it. A directory of
// drop-ins is one, too. It is not done with what is neither.
func unitNames(arg string) (names []importName, done bool) {
	info, err := os.Stat(arg)
	if err == nil && info.IsDir() {
		if !dropInDir.MatchString(filepath.Base(arg)) {
			return nil, false
		}
		names, _ = namesIn(arg, dropInName)
		return names, len(names) > 0
	}
	if !unitName.MatchString(arg) {
		return nil, false
	}
	template := templateName(arg)
	switch {
	case err == nil:
		names = []importName{{arg, arg}}
	case template != "" && isFile(template):
		names = []importName{{arg, template}}
	default:
		return nil, false
	}
	for _, unit := range []string{arg, template} {
		if dropIns, err := namesIn(unit+".d", dropInName); unit != "" && err == nil {
			names = append(names, dropIns...)
		}
	}
	return names, true
}

// namesBelow are the drop-ins in a directory of units, and the instances of its templates that are to be started.
func namesBelow(dir string) (names []importName) {
	entries, _ := os.ReadDir(dir) // it was read before
	for _, e := range entries {
		below := filepath.Join(dir, e.Name())
		switch {
		case dropInDir.MatchString(e.Name()):
			dropIns, _ := namesIn(below, dropInName)
			names = append(names, dropIns...)
		case wantsDir.MatchString(e.Name()):
			names = append(names, instancesIn(below, dir)...)
		}
	}
	return names
}

// instancesIn are the instances that a directory of links names. A link whose file is not on this machine stands for the template
// beside the directory.
func instancesIn(dir, units string) (names []importName) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		link := filepath.Join(dir, e.Name())
		if !instanceName.MatchString(e.Name()) {
			continue
		}
		if beside := filepath.Join(units, filepath.Base(templateName(link))); !isFile(link) && isFile(beside) {
			names = append(names, importName{link, beside})
		} else if isFile(link) {
			names = append(names, importName{link, link})
		}
	}
	return names
}

// templateName is the file of the template of an instance: worker@.service for worker@mail.service; "" for what is none.
func templateName(path string) string {
	base := filepath.Base(path)
	prefix, _, _ := strings.Cut(base, "@")
	if !instanceName.MatchString(base) {
		return ""
	}
	return filepath.Join(filepath.Dir(path), prefix+"@"+filepath.Ext(base))
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
