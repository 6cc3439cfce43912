# The host of this machine. Every *.hcl in this directory is read; put tasks into files of their own.
# After a change: taskhost validate -config /etc/taskhost, then systemctl reload taskhost.

host {
  data_dir   = "/var/lib/taskhost"
  plugin_dir = "/usr/lib/taskhost/plugins"

  admin {
    listen = ["unix:/run/taskhost/admin.sock"]
  }
}
