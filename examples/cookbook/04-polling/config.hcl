variable "api" {
  description = "GET api/orders?after=N answers with the orders after N, a line of JSON each"
  default     = "http://127.0.0.1:9000"
}

queue "orders" {}

task "poll" {
  description = "new orders, into the queue"
  plugin      = "exec"
  timeout     = "1m"

  periodic {
    every = "30s"
  }

  output "orders" {
    queue = "orders"
  }

  config {
    command = ["./poll.sh"]
    env     = { API = var.api }
  }
}

task "handle" {
  description = "each order once"
  plugin      = "exec"
  timeout     = "1m"

  continuous {}

  consume "orders" {}

  config {
    command = ["./handle.sh"]
  }
}
