queue "jobs" {
  max_deliveries = 3
}

# What the workers share: how many jobs at a time, and how many begin in a second.
group "api" {
  max   = 4
  rate  = "20/s"
  burst = 5
}

task "worker" {
  plugin    = "exec"
  instances = 2
  groups    = ["api"]
  timeout   = "1m" # of each job

  continuous {}

  consume "jobs" {
    concurrency = 4
  }

  config {
    command = ["./work.sh"]
  }
}
