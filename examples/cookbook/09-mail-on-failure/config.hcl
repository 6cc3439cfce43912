variable "mail_server" {
  default = "127.0.0.1:25"
}

variable "mail_tls" {
  description = "starttls, tls, or none for a mail server on this machine"
  default     = "none"
}

variable "mail_to" {
  default = "ops@shop.example"
}

task "import" {
  description = "fails while there is a file broken"
  plugin      = "exec"
  labels      = { team = "shop" }

  periodic {
    every = "10m"
  }

  retry {
    attempts = 2
    backoff  = "200ms"
  }

  config {
    command = ["./import.sh"]
  }
}

notify "mail" {
  on         = ["failed", "degraded", "recovered"]
  labels     = { team = "shop" }
  group_wait = "2s"
  repeat     = "12h"

  email {
    server  = var.mail_server
    tls     = var.mail_tls
    from    = "taskhost@shop.example"
    to      = [var.mail_to]
    subject = "[taskhost] {{.Summary}}"
  }
}
