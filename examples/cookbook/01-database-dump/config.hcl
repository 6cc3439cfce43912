variable "upload_to" {
  description = "dumps are PUT below this URL"
  default     = "http://127.0.0.1:9000/backups"
}

task "dump" {
  description = "the database, as a file in dumps/"
  plugin      = "exec"
  timeout     = "1h"

  periodic {
    cron = "15 2 * * *"

    catch_up {
      window = "6h" # a night that the host slept through is made up for until then
    }
  }

  retry {
    attempts = 3
    backoff  = "1m"
  }

  config {
    command = ["./dump.sh"]
    umask   = "077"
    result  = "json" # {"file": …}, which upload gets as its input
  }
}

task "upload" {
  description = "each dump, to where it is safe"
  plugin      = "exec"
  timeout     = "30m"

  after_run "dump" {}

  retry {
    attempts    = 12
    backoff     = "1s"
    max_backoff = "30m"
  }

  config {
    command = ["./upload.sh"]
    input   = "stdin"
    env     = { UPLOAD_TO = var.upload_to }

    exit_codes {
      permanent = [66] # there is no such file: another try would not help
    }
  }
}

task "prune" {
  description = "a week of dumps stays here"
  plugin      = "files"
  type        = "prune"

  after_run "upload" {}

  config {
    paths       = ["dumps/*.gz"]
    keep_newest = 7
  }
}
