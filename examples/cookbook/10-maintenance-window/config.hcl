task "sync" {
  description = "needs the database"
  plugin      = "exec"
  labels      = { uses = "db" }

  periodic {
    every = "2s"

    catch_up {
      policy = "latest" # what -catch-up of resume goes by
      window = "4h"
    }
  }

  config {
    shell = "echo synchronised"
  }
}

task "invoices" {
  description = "needs the database"
  plugin      = "exec"
  labels      = { uses = "db" }

  periodic {
    cron = "0 6 * * *"
  }

  config {
    shell = "echo invoiced"
  }
}

task "heartbeat" {
  description = "needs nothing"
  plugin      = "exec"

  periodic {
    every = "1m"
  }

  config {
    shell = "echo alive"
  }
}

# A window that comes again: two hours in the night to Sunday.
task "window" {
  plugin = "exec"

  periodic {
    cron = "0 1 * * sun"

    catch_up {
      policy = "none" # a window that is over is not made up for
    }
  }

  config {
    command = ["taskhost", "task", "pause", "-select", "label.uses=db", "-until", "2h", "-reason", "weekly maintenance"]
  }
}
