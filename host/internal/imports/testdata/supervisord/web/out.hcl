defaults {
  plugin = "exec"
  user   = "shop"
  labels = { group = "shop" }
}

# The web application behind nginx.
task "gunicorn" {
  env = {
    LANG                   = "C.UTF-8"
    STAGE                  = "production"
    PATH                   = "/srv/shop/venv/bin:${env("PATH")}"
    DJANGO_SETTINGS_MODULE = "shop.settings"
  }

  continuous {
    restart {
      policy = "always"
    }
  }

  stop {
    drain = "1m"
  }

  config {
    stop_signal = "QUIT"
    command = [
      "/srv/shop/venv/bin/gunicorn",
      "shop.wsgi:application",
      "--bind",
      "127.0.0.1:8000",
      "--name",
      "gunicorn",
    ]
    dir = "/srv/shop"
  }
}

task "celery-beat" {
  env = {
    LANG  = "C.UTF-8"
    STAGE = "production"
  }

  continuous {
    restart {
      max_failures = 10
    }
  }

  config {
    command = ["/etc/supervisor/venv/bin/celery", "-A", "shop", "beat", "--schedule", "/var/lib/celery beat"]

    exit_codes {
      ok = [0, 2]
    }
  }
}

# What to know of this import, and what has no equivalent:
#   supervisord.conf:10: user of supervisord itself: the host's own unit or container says so
#   supervisord.conf:2: [unix_http_server]: the admin API and its command line take its place (host { admin { listen = … } })
#   supervisord.conf:12: [rpcinterface:supervisor]: the admin API and its command line take its place (host { admin { listen = … } })
#   supervisord.conf:15: [supervisorctl]: the admin API and its command line take its place (host { admin { listen = … } })
#   supervisord.conf:27: startsecs of [program:gunicorn]: a task is ready when its program has started; continuous { restart { reset_after = … } } says from when on failures are forgotten
#   supervisord.conf:33: priority of [program:gunicorn]: depends_on orders starts and stops
#   supervisord.conf:46: [eventlistener:memmon]: listeners have no equivalent; notify tells of failures, the events of the API of everything
#   supervisord.conf:50: [include] is not followed: name /etc/supervisor/conf.d/*.conf as well
#   supervisord.conf: output is in the logs of the tasks, which keep { logs = … } bounds; a program that is up again after backoff is not given up after startretries: it is tried again at the longest backoff, and the task is degraded
#   supervisord.conf: supervisord passes on the environment in which it was started; a task gets PATH, HOME, TMPDIR, LANG, LC_ALL, TZ, SSL_CERT_FILE and SSL_CERT_DIR of the host's, and what stands in env: name there what the program reads (env = { NAME = env("NAME") })
