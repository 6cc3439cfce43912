defaults {
  plugin = "exec"
  user   = "root"
  env = {
    SHELL = "/bin/sh"
    PATH  = "/usr/local/sbin:/usr/local/bin:/sbin:/bin:/usr/sbin:/usr/bin"
  }

  periodic {
    time_zone = "Europe/London"

    catch_up {
      policy = "none"
    }
  }
}

# /etc/crontab: system-wide crontab
task "cron_hourly" {
  periodic {
    cron = "17 * * * *"
  }

  config {
    shell = "cd / && run-parts --report /etc/cron.hourly"
  }
}

task "cron_daily" {
  periodic {
    cron = "25 6 * * *"
  }

  config {
    shell = "test -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }"
  }
}

task "cron_weekly" {
  periodic {
    cron = "47 6 * * 7"
  }

  config {
    shell = "test -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.weekly; }"
  }
}

task "artisan" {
  user = "www-data"

  periodic {
    cron = "@weekly"
  }

  config {
    shell = "php /srv/app/artisan schedule:run >> /dev/null 2>&1"
  }
}

# What to know of this import, and what has no equivalent:
#   crontab:6: where anacron is installed it does this work; catch_up { policy = "latest" } runs a slot that passed while the machine was off
#   crontab:7: where anacron is installed it does this work; catch_up { policy = "latest" } runs a slot that passed while the machine was off
#   crontab:9: there is no command behind "*/15 * * * * root"; the line is left out
#   crontab: a slot that is due while the run before it is going is skipped; cron would run both (periodic { overlap = "allow" })
#   crontab: user lets the host start a process under an account: for others than its own the host has to run as root
#   crontab: cron starts a command in the home directory of its account; here config { dir = … } says where, otherwise it is the directory of the configuration
#   crontab: where a crontab has no MAILTO, cron mails all output to its account; here output is in the task's log, and a notify block tells of failures
