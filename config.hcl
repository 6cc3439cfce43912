# The sample that the README walks through. `make run` starts the host on it.

variable "site" {
  description = "what homepage looks at; try -var site=http://127.0.0.1:1"
  default     = "http://127.0.0.1:7480/healthz"
}

host {
  data_dir   = "data"
  plugin_dir = "bin/plugins"
  time_zone  = "Europe/Berlin" # of every cron that names none

  require_checksums = false # make builds the plugins anew; true where `taskhost plugin lock` has pinned them

  admin {
    listen = ["unix:data/admin.sock", "127.0.0.1:7480"]
  }
}

defaults {
  labels = { team = "shop" }

  stop {
    drain  = "5s"
    cancel = "2s"
  }
}

# A continuous task: one run that is kept going.
task "clock" {
  description = "a small daemon that says what time it is"
  plugin      = "exec"

  continuous {
    restart {
      policy = "always"
    }
  }

  config {
    shell = "while :; do date +%T; sleep 5; done"
  }
}

# A periodic task on a fixed rate.
task "homepage" {
  description = "the admin API answers"
  plugin      = "http"
  type        = "check"
  timeout     = "10s"

  periodic {
    every        = "10s"
    run_on_start = true
  }

  retry {
    attempts = 2
    backoff  = "1s"
  }

  config {
    url           = var.site
    expect_status = [200]
  }
}

# A periodic task on a calendar, in a time zone.
task "nightly" {
  description = "old files go"
  plugin      = "files"
  type        = "prune"

  periodic {
    cron = "15 2 * * *"
  }

  config {
    paths      = ["data/scratch/*.tmp"]
    older_than = "7d"
    dry_run    = true
  }
}

# A queue: what is posted to it is on the disk when the answer comes, and is handed out until it is handled.
# taskhost queue post orders '{"item":"tea"}'
queue "orders" {
  max_deliveries = 5
}

# A consumer: it hands each message to an endpoint. Here that is the host itself, which only says that it is well.
task "notify" {
  description = "tells an endpoint of every order"
  plugin      = "http"
  type        = "forward"

  continuous {}

  consume "orders" {
    concurrency = 2
  }

  config {
    url    = var.site
    method = "GET"
  }
}

# Runs when somebody asks: taskhost task run greet -input '{"name":"Ada"}' -wait 10s
task "greet" {
  description = "says hello to the name in its input"
  plugin      = "exec"

  on_demand {}

  config {
    command = ["sh", "-c", "cat; echo hello from $TASKHOST_RUN"]
    input   = "stdin"
  }
}

# Runs after every run of greet that succeeded.
task "report" {
  description = "one line for every greeting"
  plugin      = "exec"

  after_run "greet" {}

  config {
    command = ["sh", "-c", "echo somebody was greeted at $(date +%T)"]
  }
}
