host {
  data_dir   = "data"
  plugin_dir = "plugins"

  require_checksums = false # this plugin is built anew each time; see taskhost plugin lock

  admin {
    listen = ["unix:data/admin.sock"]
  }
}

task "daemon" {
  plugin = "daemon"

  continuous {}

  config {
    work = "2ms"
  }
}
