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

task "wget" {
  periodic {
    cron = "*/15 * * * *"
  }

  config {
    shell = "printf '%s\\n' '{secret\\} >/dev/null 2>&1' | wget -q -O - https://shop.example/cron.php?key="
  }
}

task "ea-php82" {
  periodic {
    cron = "*/15 * * * *"
  }

  config {
    shell = "/usr/local/bin/ea-php82 /home/shop/public_html/wp-cron.php"
  }
}

task "artisan" {
  periodic {
    cron = "* * * * *"
  }

  config {
    shell = "cd /home/shop/app && php artisan schedule:run >> /dev/null 2>&1"
  }
}

task "mysqldump" {
  periodic {
    cron = "3 4 * * *"
  }

  config {
    shell = "mysqldump --single-transaction shop | gzip > /home/shop/dumps/shop.sql.gz"
  }
}

notify "mail" {
  on    = ["failed", "recovered"]
  tasks = ["wget", "ea-php82", "mysqldump"]

  email {
    server = "localhost:25"
    tls    = "none"
    from   = "cron@hosting.example"
    to     = ["web@hosting.example", "root@localhost"]
  }
}

# What to know of this import, and what has no equivalent:
#   web.tab:1: MAILTO: cron mails all output; the notify block mails when runs fail, and when they succeed again; output is in the task's log. Look at the server and the sender in it
#   web.tab:7: MAILTO: cron mails all output; the notify block mails when runs fail, and when they succeed again; output is in the task's log. Look at the server and the sender in it
#   web.tab: a slot that is due while the run before it is going is skipped; cron would run both (periodic { overlap = "allow" })
#   web.tab: cron starts a command in the home directory of its account; here config { dir = … } says where, otherwise it is the directory of the configuration
