defaults {
  plugin = "exec"
}

task "worker" {
  instances = 8
  user      = "forge"

  continuous {
    restart {
      policy = "always"
    }
  }

  stop {
    drain = "1h"
  }

  config {
    command = ["php", "/home/forge/app/artisan", "queue:work", "--sleep=3", "--tries=3", "--discount=100%"]
  }
}

task "shard_01" {
  enabled = false

  continuous {
    restart {
      policy = "never"
    }
  }

  config {
    command = ["/usr/local/bin/shard", "--index", "1", "--of", "2", "--host", "%(host_node_name)s"]
  }
}

task "shard_02" {
  enabled = false

  continuous {
    restart {
      policy = "never"
    }
  }

  config {
    command = ["/usr/local/bin/shard", "--index", "2", "--of", "2", "--host", "%(host_node_name)s"]
  }
}

task "late" {
  continuous {}

  config {
    command = ["/usr/bin/late"]
  }
}

# What to know of this import, and what has no equivalent:
#   workers.conf:26: "[program:broken" is no [section]; it is left out
#   workers.conf:27: "this line is nothing" is no key=value; the line is left out
#   workers.conf:13: command: %(host_node_name)s is not known here; write out what it stands for
#   workers.conf:20: [program:nothing] has no command; it is left out
#   workers.conf:24: command: a quote is not closed; [program:quote] is left out
#   workers.conf:30: numprocs: "many" is no number; it is taken for 1
#   workers.conf:31: stopsignal: "SIGLOUD" is not known; TERM is sent
#   workers.conf: output is in the logs of the tasks, which keep { logs = … } bounds; a program that is up again after backoff is not given up after startretries: it is tried again at the longest backoff, and the task is degraded
#   workers.conf: supervisord passes on the environment in which it was started; a task gets PATH, HOME, TMPDIR, LANG, LC_ALL, TZ, SSL_CERT_FILE and SSL_CERT_DIR of the host's, and what stands in env: name there what the program reads (env = { NAME = env("NAME") })
