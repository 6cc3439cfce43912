defaults {
  plugin = "exec"

  limits {
    files = 4096
  }

  continuous {
    restart {
      policy = "always"
    }
  }
}

# From api.service.

# the shop's API
task "api" {
  description = "API"
  env = {
    LOG    = "debug"
    REGION = "eu west"
  }
  depends_on = { worker_mail = "started" }

  limits {
    memory = "1GiB"
  }

  continuous {
    restart {
      backoff     = "5s"
      max_backoff = "5s"
    }
  }

  config {
    command = ["/usr/local/bin/api", "--listen", "0.0.0.0:8080"]

    ready {
      notify = true
    }
  }
}

# From relay@main.service.

task "relay_main" {
  continuous {
    restart {
      policy = "never"
    }
  }

  config {
    command = ["/usr/bin/relay", "main"]
  }
}

# From tidy@shop-cache.service.

task "tidy_shop-cache" {
  periodic {
    cron      = "0 0 * * *"
    time_zone = "Europe/London"

    catch_up {
      policy = "none"
    }
  }

  config {
    command = ["/usr/bin/tidy", "/srv/shop/cache"]
  }
}

# From worker@mail.service.

task "worker_mail" {
  description = "Worker of the queue mail"

  limits {
    cpu = 0.5
  }

  continuous {}

  config {
    command = ["/srv/shop/bin/worker", "--queue", "mail"]
  }
}

# From worker@sms.service.

task "worker_sms" {
  description = "Worker of the queue sms"

  limits {
    cpu = 0.5
  }

  continuous {}

  config {
    command = ["/srv/shop/bin/worker", "--queue", "sms"]
  }
}

# What to know of this import, and what has no equivalent:
#   lost.conf: a drop-in lies in a directory that is named after its unit, such as NAME.service.d
#   workers.target: targets have no equivalent: depends_on orders tasks, labels group them
#   api.service.d/10-restart.conf:10: "Mistyped" is no Key=value; the line is left out
#   gone.service.d/x.conf: it adds to gone.service, which is not among the files
#   worker@mail.service:2: Nice: no equivalent
#   worker@sms.service:2: Nice: no equivalent
#   api.service: a stop drains for 10s, then cancels for 5s, where a unit has no TimeoutStopSec; systemd's default is 90s (stop { drain = … })
#   api.service: a restart comes after 1s, doubling up to 1m, and is not given up, where a unit has no RestartSec; systemd's default is 100ms, and it gives up after StartLimitBurst
