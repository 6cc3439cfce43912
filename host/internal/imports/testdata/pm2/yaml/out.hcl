task "api" {
  plugin = "exec"

  continuous {
    restart {
      policy = "never"
    }
  }

  config {
    command     = ["ruby", "./api.rb"]
    dir         = "/srv/api"
    stop_signal = "INT"
  }
}

# What to know of this import, and what has no equivalent:
#   broken.json:2: did not find expected ',' or '}'; the file is left out
#   process.yml:6: cron_restart "61 * * * *": minute 61 is out of range 0-59; it is left out
#   process.yml:8: an app is an object, with script = …; it is left out
