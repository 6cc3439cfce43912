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
#   process.yml: pm2 passes on the environment in which it was started; a task gets PATH, HOME, TMPDIR, LANG, LC_ALL, TZ, SSL_CERT_FILE and SSL_CERT_DIR of the host's, and what stands in env: name there what the program reads (env = { NAME = env("NAME") })
