defaults {
  plugin = "exec"
}

# From backup.service.

task "backup" {
  description = "Backup"
  timeout     = "2h"

  periodic {
    cron      = ["30 2 * * *", "0 12 * * mon-fri"]
    time_zone = "Europe/London"
    jitter    = "10m"

    catch_up {
      policy = "latest"
      window = "366d"
    }
  }

  config {
    env_from = ["/etc/default/backup"]
    shell    = "exec /usr/local/bin/backup --to s3://shop/\"$${BUCKET}\" --note 'it'\\''s ''$'5"
  }
}

# From cleaner.service.

task "cleaner" {
  periodic {
    after = "1h30m"
  }

  config {
    command = ["/usr/local/bin/clean"]
  }
}

# From first-sunday.service.

task "first-sunday" {
  on_demand {}

  config {
    command = ["/usr/local/bin/monthly"]
  }
}

# From probe.service.

task "probe" {
  periodic {
    every        = "30s"
    run_on_start = true

    catch_up {
      policy = "none"
    }
  }

  config {
    command = ["/usr/local/bin/probe"]
  }
}

# What to know of this import, and what has no equivalent:
#   backup.service:3: OnFailure=mail@%n.service: a notify block tells of failures, a task with after_run { outcome = ["failed"] } acts on them
#   first-sunday.timer:2: OnCalendar: "Sun *-*-1..7 03:00" wants a day of the week and a day of the month at once; in a cron it is one or the other; it is left out
#   first-sunday.timer:3: OnCalendar: "*-*~1" counts days from the end of the month, which a cron cannot; it is left out
#   first-sunday.timer: nothing of this timer can be a schedule: task "first-sunday" runs when somebody asks
#   probe.timer:2: OnBootSec=2min: the first run is at the start of the host (run_on_start), not so long after it
#   lost.timer: it starts lost.service, which is not among the files
#   backup.service: a stop drains for 10s, then cancels for 5s, where a unit has no TimeoutStopSec; systemd's default is 90s (stop { drain = … })
