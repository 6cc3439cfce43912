host {
  data_dir   = "data"
  plugin_dir = "plugins"

  require_checksums = false # this plugin is built anew each time; see taskhost plugin lock

  admin {
    listen = ["unix:data/admin.sock"]
  }
}

task "ticker" {
  plugin = "ticker"

  continuous {}

  stop {
    drain  = "5s"
    cancel = "2s"
  }

  config {
    journal = "journal.txt"
  }
}
