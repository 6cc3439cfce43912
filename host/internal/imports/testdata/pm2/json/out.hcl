defaults {
  plugin = "exec"

  continuous {
    restart {
      policy = "always"
    }
  }
}

task "api" {
  instances = 4
  env = {
    NODE_ENV = "development"
    PORT     = "3000"
  }

  continuous {
    restart {
      max_failures = 10
      reset_after  = "30s"
    }
  }

  stop {
    drain = "5s"
  }

  config {
    command     = ["node", "--max-old-space-size=512", "--enable-source-maps", "./dist/server.js", "--port", "3000"]
    dir         = "/srv/shop/api"
    stop_signal = "INT"
  }
}

task "nightly_report" {
  periodic {
    cron         = "0 2 * * *"
    run_on_start = true

    catch_up {
      policy = "none"
    }
  }

  config {
    command     = ["python3", "report.py"]
    dir         = "/srv/shop"
    stop_signal = "INT"
  }
}

task "api_2" {
  user = "shop"

  continuous {
    restart {
      backoff     = "100ms"
      max_backoff = "15s"
    }
  }

  config {
    command     = ["/usr/bin/api-sidecar"]
    stop_signal = "INT"
  }
}

# What to know of this import, and what has no equivalent:
#   ecosystem.json:12: env_production: write its variables into env, or make a variable of the configuration of what differs
#   ecosystem.json:7: cluster mode: instances do not share a port, and NODE_APP_INSTANCE is not set; give each a port (for_each), or let the program fork
#   ecosystem.json:13: max_memory_restart = 600M restarts a process that has grown; limits { memory = … } is a hard bound
#   ecosystem.json:15: wait_ready: the task is ready when the program has started
#   ecosystem.json:21: this task is called "api_2": the name "api" is taken by ecosystem.json:3
#   ecosystem.json:22: the app "no script" has no script; it is left out
#   ecosystem.json: pm2 passes on the environment in which it was started; a task gets PATH, HOME, TMPDIR, LANG, LC_ALL, TZ, SSL_CERT_FILE and SSL_CERT_DIR of the host's, and what stands in env: name there what the program reads (env = { NAME = env("NAME") })
