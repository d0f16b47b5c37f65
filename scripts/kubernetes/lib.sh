# What the scripts that build and run parts of Kubernetes share: versions, the cache, builds, daemons. To be sourced.
#
# The modules beside this file pin what is built; their versions name the cache's folder, so that another version never
# finds the binaries of this one. harness/src/control_plane/binaries.rs looks in the same folder.

modules=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")

# version_of MODULE PATH: the version of the Go module PATH that the go.mod in MODULE requires
version_of() { awk -v path="$2" '$1 == "require" { sub("^require ", "") } $1 == path { print $2; exit }' "$modules/$1/go.mod"; }

kubernetes_version=$(version_of kubernetes k8s.io/kubernetes)
etcd_version=$(version_of etcd go.etcd.io/etcd/server/v3)
cache=${KUBERNETES_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/signal-gateway/kubernetes}/$kubernetes_version-etcd-$etcd_version

die() { echo "$(basename "$0"): $*" >&2; exit 1; }

# need COMMAND HINT: ends with the hint unless the command is there
need() { command -v "$1" >/dev/null || die "$1 is missing; $2"; }

# build_binary MODULE PACKAGE NAME [LDFLAGS [TAGS]]: builds the command PACKAGE into the cache, unless it is there
build_binary() {
  local module=$1 package=$2 name=$3 ldflags=${4:-} tags=${5:-} began=$SECONDS ticker
  [ -x "$cache/$name" ] && return 0
  need go "install Go 1.26 or newer (https://go.dev/dl)"
  mkdir -p "$cache"
  echo "building $name …" >&2
  (while sleep 30; do echo "  $name: $((SECONDS - began)) s so far" >&2; done) &
  ticker=$!
  # A name of its own until it is whole: a build that is cut off leaves nothing that looks finished. With GOGC the compiler takes
  # a tenth less time and some hundred megabytes more.
  if ! (cd "$modules/$module" && CGO_ENABLED=0 GOFLAGS=-mod=readonly GOGC=400 \
    go build -trimpath -tags "$tags" -ldflags "-s -w $ldflags" -o "$cache/.$name.$$" "$package"); then
    stop_ticker "$ticker"
    rm -f "$cache/.$name.$$"
    die "$name could not be built; the Go modules come from $(go env GOPROXY), which must be reachable"
  fi
  stop_ticker "$ticker"
  mv "$cache/.$name.$$" "$cache/$name"
  echo "  $name: built in $((SECONDS - began)) s" >&2
}

stop_ticker() { kill "$1" 2>/dev/null; wait "$1" 2>/dev/null || true; }

# build_kubernetes COMMAND: one of Kubernetes' commands, such as kubelet
build_kubernetes() {
  build_binary kubernetes "k8s.io/kubernetes/cmd/$1" "$1" "-X k8s.io/component-base/version.gitVersion=$kubernetes_version"
}

build_etcd() { build_binary etcd go.etcd.io/etcd/server/v3 etcd; }

# start_daemon FOLDER NAME COMMAND…: in the background, with FOLDER/NAME.pid and FOLDER/NAME.log
start_daemon() {
  local folder=$1 name=$2
  shift 2
  setsid "$@" </dev/null >"$folder/$name.log" 2>&1 &
  echo $! >"$folder/$name.pid"
}

# daemon_runs FOLDER NAME: whether the process of its pid file is still the one that was started there
daemon_runs() {
  local pid
  pid=$(cat "$1/$2.pid" 2>/dev/null) || return 1
  [ "$(readlink "/proc/$pid/fd/1" 2>/dev/null)" = "$(readlink -f "$1/$2.log")" ]
}

# stop_daemon FOLDER NAME: SIGTERM, SIGKILL after 5 s; also if it was stopped by SIGSTOP
stop_daemon() {
  local pid
  daemon_runs "$1" "$2" || { rm -f "$1/$2.pid"; return 0; }
  pid=$(cat "$1/$2.pid")
  kill -TERM "$pid"; kill -CONT "$pid"
  for _ in $(seq 50); do daemon_runs "$1" "$2" || break; sleep 0.1; done
  ! daemon_runs "$1" "$2" || kill -KILL "$pid"
  rm -f "$1/$2.pid"
}

# await SECONDS WHAT FOLDER COMMAND…: until the command succeeds; else the ends of FOLDER's logs
await() {
  local until=$((SECONDS + $1)) what=$2 folder=$3
  shift 3
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$until" ] || { tail -n 5 "$folder"/*.log >&2; die "$what; the logs are in $folder"; }
    sleep 0.1
  done
}

# free_port: a TCP port of loopback that nobody listens on, outside the range that outgoing connections take theirs from
free_port() {
  local port
  for _ in $(seq 100); do
    port=$((20000 + RANDOM % 12000))
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return 0; }
  done
  die "no free port between 20000 and 32000"
}
