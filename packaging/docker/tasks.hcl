# A task to begin with; compose.yaml mounts this file.

task "healthz" {
  description = "a page that should answer"
  plugin      = "http"
  type        = "check"

  periodic {
    every = "1m"
  }

  config {
    url = "https://example.com/"
  }
}
