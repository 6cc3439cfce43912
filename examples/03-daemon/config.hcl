host {
  data_dir   = "data"
  plugin_dir = "plugins"

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
