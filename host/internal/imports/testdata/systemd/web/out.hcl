defaults {
  plugin = "exec"
}

# From migrate.service.

task "migrate" {
  description = "Schema of the shop's database"
  timeout     = "10m"

  on_demand {}

  config {
    shell = "{ /usr/bin/test -e /srv/shop/db/pending || exit 75; } && /srv/shop/bin/migrate --wait && exec /srv/shop/bin/seed"

    exit_codes {
      skip = [75]
    }
  }
}

# From old.service.

task "old" {
  enabled = false

  continuous {
    restart {
      policy = "never"
    }
  }

  config {
    command = ["/usr/sbin/oldd", "-d"]
  }
}

# From postgresql.service.

task "postgresql" {
  description = "PostgreSQL for the shop"
  user        = "postgres"

  continuous {
    restart {
      backoff     = "5s"
      max_backoff = "5s"
    }
  }

  stop {
    drain = "1h"
  }

  config {
    command = [
      "/usr/lib/postgresql/17/bin/postgres",
      "-D",
      "/var/lib/postgresql/17/main",
      "-c",
      "config_file=/etc/postgresql/17/main/postgresql.conf",
    ]
    stop_signal = "INT"

    ready {
      notify = true
    }
  }
}

# From shop-web.service.

# Kept in the infrastructure repository.
task "shop-web" {
  description = "The shop's web server (shop-web)"
  user        = "www-data"
  env = {
    RAILS_ENV       = "production"
    WEB_CONCURRENCY = "4"
    GREETING        = "Hello $${USER}"
    PERCENT         = "100%"
  }
  depends_on = { postgresql = "ready" }
  group      = "www-data"

  limits {
    memory = "1GiB"
    pids   = 512
    files  = 65536
    cpu    = 1.5
  }

  continuous {
    restart {
      policy       = "always"
      backoff      = "2s"
      max_backoff  = "2s"
      max_failures = 10
      window       = "5m"
    }

    watchdog {
      timeout = "30s"
    }
  }

  stop {
    drain = "1m30s"
  }

  config {
    env_from = ["/etc/shop/secrets.env"]
    shell    = "/usr/bin/install -d -o www-data /run/shop && { /usr/bin/rm -f '/run/shop/old pid' || true; } && exec /usr/bin/bundle exec puma --config config/puma.rb --workers \"$${WEB_CONCURRENCY}\" $PUMA_OPTIONS"
    dir      = "/srv/shop"
    umask    = "0027"

    exit_codes {
      ok        = [0, 143]
      permanent = [2]
    }

    ready {
      notify = true
    }
  }
}

# What to know of this import, and what has no equivalent:
#   shop-web.socket: sockets have no equivalent: the program opens its own
#   migrate.service:2: ConditionPathExists: nothing is checked before a start
#   old.service:5: ExecStop has no equivalent; a stop sends config { stop_signal }
#   old.service:2: /usr/sbin/oldd is called by its own name, not as "old-daemon"
#   old.service:2: Type=forking: a task stays in the foreground; give the program the option for that and remove enabled = false
#   postgresql.service:9: ExecReload has no equivalent; a task with on_demand {} can do it
#   postgresql.service:12: TimeoutSec=infinity: systemd waits for as long as a stop takes; here it drains for 1h, then it is cancelled and killed
#   postgresql.service:2: OOMScoreAdjust: no equivalent
#   shop-web.service:17: /etc/default/shop-web is not there and is left out: a file in config { env_from } has to be there
#   shop-web.service:34: SuccessExitStatus: "SIGTERM" is no number of an exit code
#   shop-web.service:3: ProtectSystem, PrivateTmp: the process is not confined so
#   shop-web.service:3: Nice, OnFailure: no equivalent
#   migrate.service: a stop drains for 10s, then cancels for 5s, where a unit has no TimeoutStopSec; systemd's default is 90s (stop { drain = … })
