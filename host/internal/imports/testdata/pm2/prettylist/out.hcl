defaults {
  plugin = "exec"

  continuous {
    restart {
      policy = "always"
    }
  }
}

task "web" {
  instances = 2
  env = {
    GREETING     = "it's \"so\""
    SECRET_TOKEN = "abc"
  }

  continuous {}

  config {
    command     = ["node", "/srv/shop/app.js", "--port", "3000", "a b"]
    dir         = "/srv/shop"
    stop_signal = "INT"
  }
}

task "worker" {
  continuous {
    restart {
      backoff     = "3s"
      max_backoff = "3s"
    }
  }

  config {
    command     = ["python3", "/srv/shop/w.py"]
    dir         = "/srv/shop"
    stop_signal = "INT"
  }
}

task "sleeper" {
  continuous {}

  config {
    command     = ["/usr/bin/bash", "-c", "sleep 1000"]
    dir         = "/srv/shop"
    stop_signal = "INT"
  }
}

# What to know of this import, and what has no equivalent:
#   prettylist.txt:10: env: pm2 keeps the whole environment of a process; look through what is left of it, and make a secret(…) of what is one; left out as that of a login: HOME LANG PATH PM2_HOME PM2_USAGE PWD SHELL SHLVL SSH_CONNECTION TERM USER _ unique_id
#   prettylist.txt:29: cluster mode: instances do not share a port, and NODE_APP_INSTANCE is not set; give each a port (for_each), or let the program fork
#   prettylist.txt:28: max_memory_restart = 314572800 restarts a process that has grown; limits { memory = … } is a hard bound
#   prettylist.txt:223: env: pm2 keeps the whole environment of a process; look through what is left of it, and make a secret(…) of what is one; left out as that of a login: HOME LANG PATH PM2_HOME PM2_USAGE PWD SHELL SHLVL SSH_CONNECTION TERM USER _ unique_id
#   prettylist.txt:240: cron_restart = "0 3 * * *" restarts what is running, which no schedule does here; a periodic task of the plugin exec can: taskhost task restart worker
#   prettylist.txt:297: env: pm2 keeps the whole environment of a process; look through what is left of it, and make a secret(…) of what is one; left out as that of a login: HOME LANG PATH PM2_HOME PM2_USAGE PWD SHELL SHLVL SSH_CONNECTION TERM USER _ unique_id
