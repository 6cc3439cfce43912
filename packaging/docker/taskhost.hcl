# The host in a container. Mount files with tasks beside this one, in /etc/taskhost.

host {
  data_dir   = "/var/lib/taskhost"
  plugin_dir = "/usr/lib/taskhost/plugins"

  admin {
    listen = ["unix:/var/lib/taskhost/admin.sock"]
  }
}
