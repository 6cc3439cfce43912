variable "intake" {
  description = "where events are posted to"
  default     = "127.0.0.1:7490"
}

host {
  ingress {
    listen = [var.intake]
    rate   = "200/s" # of one caller
  }
}

# POST to /v1/queues/events/messages: the answer comes when the message is on the disk.
queue "events" {
  ingress        = true
  max_messages   = 100000
  max_deliveries = 8
  ids_for        = "1d" # an event that its sender sends again is not handled again

  redeliver {
    backoff     = "5s"
    max_backoff = "10m"
  }
}

task "handle" {
  description = "one event after the other for each customer"
  plugin      = "exec"
  timeout     = "1m"

  continuous {}

  consume "events" {
    concurrency = 4
    order_by    = "@key"
  }

  config {
    command = ["./handle.sh"]

    exit_codes {
      permanent = [65]
    }
  }
}
