#!/usr/bin/env bash
# Builds the image with buildah from what this machine builds, without a registry, and runs what is in it as a container would:
# the host as PID 1 of namespaces of its own, as the image's user, on the image's root. What passed is written to the file that is
# named, for `docker load` or `podman load`. Needs root and buildah.
set -euo pipefail
out=$(realpath -m "${1:?say which file to write the image to}")
cd "$(dirname "$0")/.."

say() { echo "test-image: $*"; }
fail() { say "$*" >&2; [ -s "${work:-}/log" ] && cat "$work/log" >&2; exit 1; }
[ "$(id -u)" = 0 ] || fail "needs root, for namespaces"
command -v buildah >/dev/null || fail "needs buildah (apt-get install buildah)"

work=$(mktemp -d)
store() { buildah --root "$work/store" --runroot "$work/run" --storage-driver vfs "$@"; }
clean() {
  [ -z "${init:-}" ] || kill -KILL "$init" 2>/dev/null || true
  store rm --all >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap clean EXIT

say "build"
packaging/docker/stage.sh "$work/context/out" >/dev/null
mkdir "$work/nothing" # what the last stage takes is the stage before it, and nothing of the tree
store bud --quiet --isolation chroot --format docker --build-context "build=$work/context" \
  -f packaging/docker/Dockerfile -t taskhost "$work/nothing" >/dev/null
container=$(store from taskhost)
root=$(store mount "$container")

say "look at it"
said=$(store inspect --format '{{.Docker.Config.User}} {{.Docker.Config.StopSignal}} {{.Docker.Config.Entrypoint}} {{.Docker.Config.Cmd}}' taskhost)
[ "$said" = "65532:65532 SIGTERM [/usr/bin/taskhost] [serve -config /etc/taskhost]" ] || fail "it starts otherwise: $said"
for file in /usr/bin/taskhost /usr/lib/taskhost/plugins/exec /etc/ssl/certs/ca-certificates.crt /etc/taskhost/taskhost.hcl; do
  [ -s "$root$file" ] || fail "$file is missing"
done
[ "$(stat -c '%u %a' "$root/var/lib/taskhost")" = "65532 700" ] || fail "the data directory is not the account's own"
[ "$(stat -c '%a' "$root/tmp")" = 1777 ] || fail "/tmp cannot be written to"

say "run it"
cat >"$root/etc/taskhost/tasks.hcl" <<'HCL'
task "tick" {
  plugin = "exec"
  periodic {
    every = "1s"
  }
  config {
    command = ["/usr/bin/taskhost", "version"]
  }
}
task "live" {
  plugin = "exec"
  continuous {}
  config {
    command = ["/usr/bin/taskhost", "events", "-f", "-addr", "unix:/var/lib/taskhost/admin.sock"]
  }
}
HCL
mkdir -p "$root/proc" "$root/dev"
unshare --mount --pid --fork --kill-child --propagation private \
  sh -c 'mount -t proc proc "$0/proc" && mount --bind /dev "$0/dev" && exec chroot --userspec=65532:65532 --groups= "$0" /usr/bin/taskhost serve -config /etc/taskhost' "$root" >"$work/log" 2>&1 &
init=$!
inside() { # in the namespaces of PID 1, as docker exec does
  nsenter --target "$(pgrep -P "$init")" --mount --pid --root="/proc/$(pgrep -P "$init")/root" --setuid 65532 --setgid 65532 \
    /usr/bin/taskhost "$@" -addr unix:/var/lib/taskhost/admin.sock
}
for _ in $(seq 150); do
  inside host status >/dev/null 2>&1 && break
  kill -0 "$init" 2>/dev/null || fail "the host has ended"
  sleep 0.2
done
inside host status >/dev/null || fail "the host does not answer"
inside task run tick -wait 30s >/dev/null || fail "a task does not run"
inside task show live | grep -q running || fail "the continuous task does not run"
zombies=$(ps -o stat= --ppid "$(pgrep -P "$init")" | grep -c '^Z' || true)
[ "$zombies" = 0 ] || fail "$zombies zombies are left"

say "stop it"
kill -TERM "$(pgrep -P "$init")"
wait "$init" || fail "it did not end well: $?"
init=
grep -q stopped "$work/log" || fail "it does not say that it stopped"
mkdir -p "$(dirname "$out")"
rm -f "$out"
store push --quiet taskhost "docker-archive:$out:taskhost:latest"
say "ok: $out"
