task "compress" {
  description = "logs that nobody writes to any more"
  plugin      = "exec"

  periodic {
    cron = "30 3 * * *"
  }

  config {
    # gzip leaves the time of the last change as it was, by which prune goes.
    shell = "find logs -name '*.log' -mmin +1440 -exec gzip {} +"
  }
}

task "prune" {
  description = "two weeks of logs, and not more than a gibibyte"
  plugin      = "files"
  type        = "prune"

  after_run "compress" {}

  config {
    paths       = ["logs/*.gz"]
    older_than  = "14d"
    max_total   = "1GiB"
    keep_newest = 3
  }
}
