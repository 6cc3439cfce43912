host {
  data_dir   = "data"
  plugin_dir = "plugins"

  require_checksums = false # this plugin is built anew each time; see taskhost plugin lock

  admin {
    listen = ["unix:data/admin.sock"]
  }
}

task "report" {
  description = "the month's report, on the first working hour in New York"
  plugin      = "report"

  periodic {
    cron      = "0 9 1 * *"
    time_zone = "America/New_York"
  }

  retry {
    attempts = 3
    backoff  = "1s"
  }

  stop {
    drain  = "5s"
    cancel = "2s"
  }

  config {
    rows = 50
    work = "50ms"
  }
}
