task "worker_mail" {
  description = "Worker of the queue mail"
  plugin      = "exec"
  user        = "mail"

  continuous {}

  config {
    command = ["/srv/shop/bin/worker", "--queue", "mail", "--name", "worker@mail", "--host", "%H"]
  }
}

# What to know of this import, and what has no equivalent:
#   broken.service:1: stray stands before any [Section]; the line is left out
#   broken.service:3: "this is no setting" is no Key=value; the line is left out
#   worker@mail.service:8: "EOF" is no Key=value; the line is left out
#   broken.service:4: ExecStart: a quote is not closed; the unit is left out
#   empty.service: it has no ExecStart, so that there is nothing to run
#   worker@mail.service:2: the specifier %H in "%H" is not known here; write out what it stands for
#   worker@mail.service:7: Restart=on-abnormal: it is restarted after every failure, exit codes other than 0 included
#   worker@mail.service: a stop drains for 10s, then cancels for 5s, where a unit has no TimeoutStopSec; systemd's default is 90s (stop { drain = … })
#   worker@mail.service: a restart comes after 1s, doubling up to 1m, and is not given up, where a unit has no RestartSec; systemd's default is 100ms, and it gives up after StartLimitBurst
