defaults {
  plugin = "exec"
  env = {
    SHELL  = "/bin/bash"
    PATH   = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"
    PGHOST = "db.internal"
  }

  periodic {
    time_zone = "Europe/Berlin"

    catch_up {
      policy = "none"
    }
  }
}

# Crontab of the shop, kept in the infrastructure repository.
# m h  dom mon dow   command

# dump the database before anybody is awake
task "pg-dump" {
  periodic {
    cron = "15 2 * * *"
  }

  config {
    command = ["/bin/bash", "-c", "/usr/local/bin/pg-dump.sh shop --out \"/var/backups/shop-$(date +%F).sql.gz\""]
  }
}

task "report" {
  periodic {
    cron = "30 2 * * 1-5"
  }

  config {
    command = ["/bin/bash", "-c", "cd /srv/shop && ./bin/report --daily > /var/log/shop/report.log 2>&1"]
  }
}

task "sync-orders" {
  periodic {
    cron = "*/5 9-17 * * mon-fri"
  }

  config {
    command = ["/bin/bash", "-c", "/usr/bin/flock -n /run/lock/sync.lock /usr/local/bin/sync-orders"]
  }
}

task "prune" {
  periodic {
    cron = "@hourly"
  }

  config {
    command = ["/bin/bash", "-c", "[ -x /usr/local/bin/prune ] && /usr/local/bin/prune --older 7d"]
  }
}

# 0 4 * * *     /usr/local/bin/old-job   (switched off in March)
task "worker" {
  continuous {
    restart {
      policy = "never"
    }
  }

  config {
    command = ["/bin/bash", "-c", "/srv/shop/bin/worker --daemon &"]
  }
}

task "curl" {
  periodic {
    cron = "*/10 * * * *"
  }

  config {
    command = ["/bin/bash", "-c", "curl -fsS https://shop.example/health > /dev/null"]
  }
}

task "mail" {
  periodic {
    cron = "0 8 1 * *"
  }

  config {
    command = [
      "/bin/bash",
      "-c",
      "printf '%s\\n' 'Dear all,' '' 'please send your invoices.' '100% of them.' | mail -s \"Invoices are due\" accounting@shop.example",
    ]
  }
}

task "prune_2" {
  periodic {
    cron = "5 4 * * sun"
  }

  config {
    command = [
      "/bin/bash",
      "-c",
      "printf '%s\\n' '{literally}' | {\npython3 /srv/shop/scripts/prune.py $${HOME}/x\n}",
    ]
  }
}

notify "mail" {
  on    = ["failed", "recovered"]
  tasks = ["pg-dump", "report", "sync-orders", "prune", "worker"]

  email {
    server = "localhost:25"
    tls    = "none"
    from   = "taskhost@localhost"
    to     = ["ops@shop.example"]
  }
}

# nothing comes after this

# What to know of this import, and what has no equivalent:
#   shop.crontab:6: MAILTO: cron mails all output; the notify block mails when runs fail, and when they succeed again; output is in the task's log. Look at the server and the sender in it
#   shop.crontab: CRON_TZ: cronie heeds it; a cron that does not, as Debian's, has worked in the machine's zone so far
#   shop.crontab:16: @reboot: it runs at every start of the host, not only of the machine; if it is a daemon, restart { policy = "on_failure" } keeps it going
#   shop.crontab:16: the command ends with &: what it leaves in the background is ended with it; leave the & out
#   shop.crontab:21: cron "0 8 * * 61": day of week 61 is out of range 0-7; the line is left out
#   shop.crontab:22: cron "* * * * /usr/local/bin/four-fields": day of week has a range with an end missing; the line is left out
#   shop.crontab:23: this task is called "prune_2": the name "prune" is taken by shop.crontab:14
#   shop.crontab: a slot that is due while the run before it is going is skipped; cron would run both (periodic { overlap = "allow" })
#   shop.crontab: cron starts a command in the home directory of its account; here config { dir = … } says where, otherwise it is the directory of the configuration
