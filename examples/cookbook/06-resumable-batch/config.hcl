task "batch" {
  description = "all of items.txt, one after the other"
  plugin      = "exec"

  on_demand {}

  timeout = "12h" # of each attempt

  retry {
    attempts = 5
    backoff  = "1s"
  }

  stop {
    drain = "1s" # a stop need not wait for the end of the batch
  }

  config {
    command = ["./batch.sh"]
  }
}
