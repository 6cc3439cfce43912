package systemd

import (
	"cmp"
	"path/filepath"
	"slices"
	"strings"

	"github.com/taskhost/taskhost/host/internal/imports"
)

// units takes the files apart: services and timers, the instances of templates among them, each with its drop-ins.
func (r *reader) units(files []imports.File) (services, timers []*unit) {
	var plain, templates, dropIns []imports.File
	asked := map[string]bool{} // names of units that something else starts or wants
	for _, file := range files {
		name := filepath.Base(file.Name)
		ext := filepath.Ext(name)
		switch {
		case ext == ".conf" && unitOf(file) != "":
			dropIns = append(dropIns, file)
		case ext != ".service" && ext != ".timer":
			r.found.Note(imports.Place{File: file.Name}, imports.Skipped, "%s", otherUnit(ext))
			wanted(file, asked)
		case isTemplate(name):
			templates = append(templates, file)
		default:
			plain = append(plain, file)
			wanted(file, asked)
		}
	}
	plain = r.onceEach(append(plain, r.instances(plain, templates, asked)...))
	for _, file := range plain {
		u := parseUnit(file, r.found)
		for _, d := range dropInsOf(u.name, dropIns) {
			u.parse(d, r.found)
		}
		if strings.HasSuffix(u.name, ".timer") {
			timers = append(timers, u)
		} else {
			services = append(services, u)
		}
	}
	for _, d := range dropIns {
		if !slices.ContainsFunc(plain, func(f imports.File) bool { return applies(unitOf(d), filepath.Base(f.Name)) }) {
			r.found.Note(imports.Place{File: d.Name}, imports.Skipped, "it adds to %s, which is not among the files", unitOf(d))
		}
	}
	return services, timers
}

// onceEach leaves one file of each unit: the one that systemd would read. Links to one file are no matter.
func (r *reader) onceEach(files []imports.File) []imports.File {
	var out []imports.File
	for _, f := range files {
		at := slices.IndexFunc(out, func(o imports.File) bool { return filepath.Base(o.Name) == filepath.Base(f.Name) })
		if at < 0 {
			out = append(out, f)
			continue
		}
		if out[at].Text == f.Text {
			continue
		}
		if authority(f) >= authority(out[at]) {
			out[at], f = f, out[at]
		}
		r.found.Note(imports.Place{File: f.Name}, imports.Skipped, "%s takes its place", out[at].Name)
	}
	return out
}

func isTemplate(name string) bool {
	return strings.HasSuffix(strings.TrimSuffix(name, filepath.Ext(name)), "@")
}

// templateOf is the template of an instance: worker@.service of worker@mail.service; "" for what is none.
func templateOf(name string) string {
	prefix, instance, found := strings.Cut(name, "@")
	if !found || isTemplate(name) {
		return ""
	}
	return prefix + "@" + filepath.Ext(instance)
}

// wanted notes the instances that a unit names: a timer by Unit=, any unit by what it wants.
func wanted(file imports.File, asked map[string]bool) {
	u := parseUnit(file, &imports.Found{}) // what is wrong with it is said once, when it is read
	for _, key := range []string{"Wants", "Requires", "BindsTo", "Upholds"} {
		for _, name := range u.words("Unit", key) {
			asked[name] = true
		}
	}
	if strings.HasSuffix(u.name, ".timer") {
		asked[target(u)] = true
	}
}

// instances makes units of templates: those that something names, and where nothing does the template's own default.
func (r *reader) instances(plain, templates []imports.File, asked map[string]bool) []imports.File {
	var out []imports.File
	for _, t := range templates {
		own := filepath.Base(t.Name)
		is := func(name string) bool { return templateOf(name) == own }
		known := slices.ContainsFunc(plain, func(f imports.File) bool { return is(filepath.Base(f.Name)) })
		for _, name := range sortedKeys(asked) {
			if is(name) {
				known = true
				out = append(out, imports.File{Name: filepath.Join(filepath.Dir(t.Name), name), Text: t.Text})
			}
		}
		if known {
			continue
		}
		if d := parseUnit(t, &imports.Found{}).text("Install", "DefaultInstance"); d != "" && !strings.ContainsAny(d, "%/") {
			name := strings.Replace(own, "@", "@"+d, 1)
			out = append(out, imports.File{Name: filepath.Join(filepath.Dir(t.Name), name), Text: t.Text})
			continue
		}
		r.found.Note(imports.Place{File: t.Name}, imports.Skipped, "it is a template: name its instances as files beside it, such as %s", strings.Replace(own, "@", "@NAME", 1))
	}
	return out
}

// unitOf is the unit that a drop-in adds to, by the directory in which it lies; "" for what is no drop-in.
func unitOf(dropIn imports.File) string {
	name, ok := strings.CutSuffix(filepath.Base(filepath.Dir(dropIn.Name)), ".d")
	if !ok || name != "service" && name != "timer" && filepath.Ext(name) != ".service" && filepath.Ext(name) != ".timer" {
		return ""
	}
	return name
}

// applies reports whether what is added to one name holds for a unit: its own, its template's, that of all
// units with its first words (shop-.service), and that of all units of its kind (service).
func applies(to, name string) bool { return near(to, name) > 0 }

// near says how near a directory of drop-ins is to a unit; 0 is that it is not the unit's.
func near(to, name string) int {
	ext := filepath.Ext(name)
	switch base, isPrefix := strings.CutSuffix(to, "-"+ext); {
	case to == name:
		return 4
	case to == templateOf(name):
		return 3
	case isPrefix && strings.HasPrefix(name, base+"-"):
		return 2
	case "."+to == ext:
		return 1
	}
	return 0
}

// dropInsOf are the drop-ins of a unit in the order in which they hold: by their own names, wherever they lie. Of two with
// one name the nearer one counts, then the one in the place of the machine's owner, then the later one.
func dropInsOf(name string, all []imports.File) []imports.File {
	best := map[string]imports.File{}
	for _, d := range all {
		if !applies(unitOf(d), name) {
			continue
		}
		own := filepath.Base(d.Name)
		if other, there := best[own]; !there || compareDropIns(name, other, d) <= 0 {
			best[own] = d
		}
	}
	var out []imports.File
	for _, own := range sortedKeys(best) {
		out = append(out, best[own])
	}
	return out
}

func compareDropIns(name string, a, b imports.File) int {
	return cmp.Or(cmp.Compare(near(unitOf(a), name), near(unitOf(b), name)), cmp.Compare(authority(a), authority(b)))
}

// authority ranks the places of units: what the owner of the machine wrote stands above what runs until the next boot, and that
// above what a package brought.
func authority(f imports.File) int {
	switch {
	case strings.HasPrefix(f.Name, "/etc/"):
		return 2
	case strings.HasPrefix(f.Name, "/run/"):
		return 1
	}
	return 0
}
