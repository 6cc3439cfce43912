host {
  data_dir   = "data"
  plugin_dir = "plugins"

  require_checksums = false # this plugin is built anew each time; see taskhost plugin lock

  admin {
    listen = ["unix:data/admin.sock"]
  }
}

# Sleep, then run, then sleep: each run begins 300 ms after the last one, since the work takes 100 ms.
task "drifting" {
  plugin = "periodic"

  periodic {
    after = "200ms"
  }

  config {
    work = "100ms"
  }
}

# The same interval on a grid: the work's time does not matter, and it never drifts.
task "steady" {
  plugin = "periodic"

  periodic {
    every = "200ms"
  }

  config {
    work = "100ms"
  }
}

# An error ends a run, not the loop.
task "failing" {
  plugin = "periodic"

  periodic {
    every = "200ms"
  }

  config {
    work       = "10ms"
    fail_every = 2
  }
}

# Long enough to be cancelled.
task "long" {
  plugin = "periodic"

  on_demand {}

  config {
    work = "10m"
  }
}
