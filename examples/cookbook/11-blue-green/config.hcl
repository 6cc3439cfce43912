variable "ready_within" {
  description = "how long a release may take to become ready"
  default     = "30s"
}

task "shop" {
  for_each = toset(["blue", "green"])
  plugin   = "exec"
  enabled  = each.key == "blue" # which of them runs where nobody has said otherwise
  env      = { COLOUR = each.key }

  continuous {
    restart {
      policy = "always"
    }
    ready {
      timeout = var.ready_within
    }
  }

  stop {
    drain = "30s" # for the requests that it has begun
  }

  config {
    command = ["./serve.sh"]

    ready {
      notify = true
    }
  }
}

task "switch" {
  description = "to the colour in its input"
  plugin      = "exec"
  timeout     = "5m"

  on_demand {}

  config {
    command = ["./switch.sh"]
    input   = "stdin"
    env     = { READY_WITHIN = var.ready_within }

    exit_codes {
      permanent = [65]
    }
  }
}
