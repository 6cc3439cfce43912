defaults {
  plugin = "exec"

  continuous {
    restart {
      policy = "always"
    }
  }
}

# From ecosystem.config.js.

task "queue" {
  env = {
    NODE_ENV = "production"
    GREETING = "it's $${fine}"
  }

  continuous {
    restart {
      backoff     = "4s"
      max_backoff = "4s"
    }
  }

  config {
    command     = ["node", "worker.js"]
    stop_signal = "INT"
  }
}

task "static" {
  continuous {}

  config {
    command     = ["npx", "serve", "-l", "tcp://127.0.0.1:5000", "dist"]
    dir         = "/srv/shop/web"
    stop_signal = "INT"
  }
}

# From escapes.config.js.

task "quotes" {
  env = {
    GREETING = "it's \"so\""
    PATTERN  = "a\\d+"
  }

  continuous {}

  config {
    command     = ["node", "./it.js"]
    stop_signal = "INT"
  }
}

# What to know of this import, and what has no equivalent:
#   computed.config.js: there is code before module.exports; let node evaluate it: node -p 'JSON.stringify(require("./computed.config.js"))' > ecosystem.json, then import that; the file is left out
#   ecosystem.config.js:3: worker.js is a relative path: set config { dir } to where pm2 was started
#   ecosystem.config.js:7: instances = max means one per processor: write the number into instances
#   ecosystem.config.js:7: cluster mode: instances do not share a port, and NODE_APP_INSTANCE is not set; give each a port (for_each), or let the program fork
#   ecosystem.config.js:6: watch: files are not watched; taskhost task restart does it by hand
#   ecosystem.config.js: pm2 passes on the environment in which it was started; a task gets PATH, HOME, TMPDIR, LANG, LC_ALL, TZ, SSL_CERT_FILE and SSL_CERT_DIR of the host's, and what stands in env: name there what the program reads (env = { NAME = env("NAME") })
#   escapes.config.js:3: ./it.js is a relative path: set config { dir } to where pm2 was started
#   escapes.config.js: pm2 passes on the environment in which it was started; a task gets PATH, HOME, TMPDIR, LANG, LC_ALL, TZ, SSL_CERT_FILE and SSL_CERT_DIR of the host's, and what stands in env: name there what the program reads (env = { NAME = env("NAME") })
#   expression.config.js:3: "process.env.TOKEN" is an expression; let node evaluate it: node -p 'JSON.stringify(require("./expression.config.js"))' > ecosystem.json, then import that; the file is left out
