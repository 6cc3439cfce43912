defaults {
  plugin = "exec"
  env    = { PATH = "/usr/bin:/bin" }

  periodic {
    time_zone = "Europe/London"

    catch_up {
      policy = "none"
    }
  }
}

# Edit this file to introduce tasks to be run by cron.

# Output of the crontab jobs (including errors) is sent through
# email to the user the crontab file belongs to (unless redirected).
task "tar" {
  periodic {
    cron = "0 5 * * 1"
  }

  config {
    shell = "tar -zcf \"$HOME/backups/home-$(date +%Y%m%d).tgz\" \"$HOME/work\" && find \"$HOME/backups\" -mtime +30 -delete"
  }
}

task "rake" {
  periodic {
    cron = "*/30 * * * *"
  }

  config {
    shell = ". $HOME/.profile; cd $HOME/app && bundle exec rake cache:warm >> log/cron.log 2>&1"
  }
}

task "rotate" {
  periodic {
    cron = "0 0 1,15 * fri"
  }

  config {
    shell = "nice -n 19 ionice -c3 /opt/tools/rotate.py --keep 4"
  }
}

task "certbot" {
  periodic {
    cron = "@daily"
  }

  config {
    shell = "certbot renew --quiet --deploy-hook \"systemctl reload nginx\""
  }
}

task "screen" {
  continuous {
    restart {
      policy = "never"
    }
  }

  config {
    shell = "sleep 30 && screen -dmS bot $HOME/bot/start.sh"
  }
}

# What to know of this import, and what has no equivalent:
#   deploy.tab:10: @reboot: it runs at every start of the host, not only of the machine; if it is a daemon, restart { policy = "on_failure" } keeps it going
#   deploy.tab: a slot that is due while the run before it is going is skipped; cron would run both (periodic { overlap = "allow" })
#   deploy.tab: cron starts a command in the home directory of its account; here config { dir = … } says where, otherwise it is the directory of the configuration
#   deploy.tab: where a crontab has no MAILTO, cron mails all output to its account; here output is in the task's log, and a notify block tells of failures
