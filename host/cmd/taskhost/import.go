package main

import (
	"fmt"
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/taskhost/taskhost/host/internal/cli"
	"github.com/taskhost/taskhost/host/internal/imports"
	"github.com/taskhost/taskhost/host/internal/imports/crontab"
	"github.com/taskhost/taskhost/host/internal/imports/pm2"
	"github.com/taskhost/taskhost/host/internal/imports/supervisord"
	"github.com/taskhost/taskhost/host/internal/imports/systemd"
)

// importFiles makes a configuration of another program's, as it would be read on this machine.
func importFiles(o cli.ImportOptions) (cli.Imported, error) {
	zone := o.Zone
	if zone == "" {
		zone = machineZone()
	} else if _, err := time.LoadLocation(zone); err != nil {
		return cli.Imported{}, fmt.Errorf("-time-zone: %w", err)
	}
	files := make([]imports.File, len(o.Files))
	names := make([]string, len(o.Files))
	for i, f := range o.Files {
		files[i], names[i] = imports.File(f), f.Name
	}
	var found *imports.Found
	switch o.Format {
	case "crontab":
		found = crontab.Read(files, crontab.Options{UserColumn: crontab.UserColumn(o.UserColumn), Zone: zone, Account: isAccount})
	case "systemd":
		found = systemd.Read(files, systemd.Options{Zone: zone, Exists: isThere})
	case "supervisord":
		found = supervisord.Read(files, supervisord.Options{Dir: workingDir()})
	case "pm2":
		found = pm2.Read(files)
	default:
		return cli.Imported{}, fmt.Errorf("there is no import of %q", o.Format)
	}
	heading := []string{"Made by taskhost import " + o.Format + " of " + strings.Join(names, " ") + "."}
	if len(names) > 3 {
		heading = []string{fmt.Sprintf("Made by taskhost import %s of %d files.", o.Format, len(names))}
	}
	heading = append(heading, "It has no host block: put it beside a file that has one, such as taskhost init writes.")
	out := cli.Imported{HCL: string(imports.Write(found, imports.Output{Heading: heading, Notes: o.Notes, Flat: o.Flat})), Tasks: []string{}, Notes: []cli.ImportNote{}}
	for _, t := range found.Tasks {
		out.Tasks = append(out.Tasks, t.Name)
	}
	for _, n := range found.Notes {
		out.Notes = append(out.Notes, cli.ImportNote{File: n.File, Line: n.Line, Kind: string(n.Kind), Text: n.Text})
	}
	return out, nil
}

// workingDir is where the relative names of files begin; "" is not known.
func workingDir() string {
	dir, err := os.Getwd()
	if err != nil {
		return ""
	}
	return dir
}

func isAccount(name string) bool {
	_, err := user.Lookup(name)
	return err == nil
}

func isThere(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// machineZone is the IANA name of the zone in which this machine's cron works; "" when it has none.
func machineZone() string {
	if zone := os.Getenv("TZ"); zone != "" {
		return zoneOrNone(strings.TrimPrefix(zone, ":"))
	}
	if path, err := os.Readlink("/etc/localtime"); err == nil {
		if _, zone, found := strings.Cut(path, "zoneinfo/"); found {
			return zoneOrNone(zone)
		}
	}
	text, _ := os.ReadFile("/etc/timezone") // Debian's, where the link is a copy
	return zoneOrNone(strings.TrimSpace(string(text)))
}

func zoneOrNone(zone string) string {
	if _, err := time.LoadLocation(zone); err != nil || zone == "Local" {
		return ""
	}
	return zone
}
