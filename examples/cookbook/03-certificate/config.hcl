variable "name" {
  description = "the host name that the certificate is for"
  default     = "shop.example"
}

task "renew" {
  description = "a new certificate when 30 days are left"
  plugin      = "exec"
  timeout     = "10m"

  periodic {
    cron   = "20 4 * * *"
    jitter = "30m"
  }

  retry {
    attempts = 3
    backoff  = "1m"
  }

  alarm {
    no_success = "70d" # most runs have nothing to do; a certificate of 90 days must have been renewed by then
  }

  config {
    command = ["./renew.sh"]
    umask   = "077"
    env     = { NAME = var.name }

    exit_codes {
      skip = [75]
    }
  }
}

task "reload" {
  description = "the server learns of the new certificate"
  plugin      = "exec"

  after_run "renew" {} # not after one that was skipped

  config {
    command = ["./reload.sh"]
  }
}
