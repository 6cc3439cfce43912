variable "intake" {
  description = "where addresses are posted to"
  default     = "127.0.0.1:7490"
}

variable "sink" {
  description = "where the pages go"
  default     = "http://127.0.0.1:8080/pages"
}

host {
  data_dir   = "data"
  plugin_dir = "plugins"

  require_checksums = false # this plugin is built anew each time; see taskhost plugin lock

  admin {
    listen = ["unix:data/admin.sock"]
  }

  ingress {
    listen = [var.intake]
  }
}

# POST {"url": …} to /v1/queues/urls/messages: the answer comes when the message is on the disk.
queue "urls" {
  ingress        = true
  max_deliveries = 10

  redeliver {
    backoff     = "200ms"
    max_backoff = "30s"
  }
}

queue "pages" {
  max_deliveries = 10

  redeliver {
    backoff     = "200ms"
    max_backoff = "30s"
  }
}

# Eight scrapers. A page and the end of its address are one commit.
task "scrape" {
  plugin = "http"
  type   = "fetch"

  continuous {}

  consume "urls" {
    concurrency = 8
  }

  output "pages" {
    queue = "pages"
  }

  config {
    timeout = "10s"
  }
}

# The forwarder. The sink may see a page again after a crash, with the same Idempotency-Key.
task "forward" {
  plugin = "http"
  type   = "forward"

  continuous {}

  consume "pages" {
    concurrency = 4
  }

  config {
    url = var.sink
  }
}
