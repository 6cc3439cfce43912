host {
  time_zone = "Europe/Berlin" # timezone
}

defaults {
  plugin = "exec"
}

# "check-stock": {"task": "shop.tasks.check_stock", "schedule": 30.0}
task "check_stock" {
  periodic {
    every = "30s"
  }

  config {
    command = ["./shop", "check_stock"]
  }
}

# "weekly-report": {"task": "shop.tasks.report", "schedule": crontab(hour=7, minute=30, day_of_week="mon"),
#                   "args": ("week",), "kwargs": {"mail": True}}
task "weekly_report" {
  periodic {
    cron = "30 7 * * mon"
  }

  config {
    command = ["./shop", "report", "week", "mail=true"]
  }
}

# "rates": {"task": "shop.tasks.rates", "schedule": crontab(minute="*/15"), "options": {"expires": 600}}
# @app.task(autoretry_for=(OSError,), retry_backoff=5, max_retries=3, time_limit=120, soft_time_limit=100)
task "rates" {
  timeout = "100s" # soft_time_limit: TERM

  periodic {
    cron = "*/15 * * * *"

    catch_up {
      window = "10m" # expires
    }
  }

  retry {
    attempts = 4 # max_retries and the first
    backoff  = "5s"
  }

  stop {
    cancel = "20s" # time_limit: KILL
  }

  config {
    command = ["./shop", "rates"]
  }
}

# resize.delay(file="a.png")
# @app.task(rate_limit="10/m"), worker --concurrency=4, task_acks_late=True
queue "resize" {
  max_deliveries = 5
}

task "resize" {
  timeout = "1m"

  continuous {}

  consume "resize" {
    concurrency = 4
    rate        = "10/m"
  }

  output "mail" {
    queue = "mail"
  }

  config {
    command = ["./shop", "resize"]
  }
}

# chain(resize.s(…), mail.s())
queue "mail" {}

task "mail" {
  timeout = "1m"

  continuous {}

  consume "mail" {}

  config {
    command = ["./shop", "mail"]
  }
}
