task "site" {
  for_each = yamldecode(file("sites.yaml"))
  plugin   = "http"
  type     = "check"
  process  = "shared" # one process for all of them

  periodic {
    every        = "30s"
    run_on_start = true
  }

  alarm {
    failing = 3 # in a row; one failure may be the network's
  }

  config {
    url     = each.value
    timeout = "10s"
  }
}

notify "ops" {
  on            = ["failed", "recovered"]
  tasks         = ["site.*"]
  after         = 3
  recover_after = 2
  group_wait    = "30s" # sites that fall together are one message
  repeat        = "4h"

  exec {
    command = ["./tell.sh"]
  }
}
