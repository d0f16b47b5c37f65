# shellcheck shell=bash
# Everything that the one-node cluster runs, from Go modules and Debian packages. To be sourced, after node-settings.sh.

# Packages by a file of theirs: some machines have it from elsewhere.
declare -A node_packages=(
  [/usr/sbin/runc]=runc
  [/usr/lib/cni/bridge]=containernetworking-plugins
  [/usr/sbin/nft]=nftables
  [/usr/bin/openssl]=openssl
  [/usr/bin/cc]=gcc
  [/usr/include/stdlib.h]=libc6-dev
)

node_tools() {
  local file missing=()
  for file in "${!node_packages[@]}"; do
    [ -e "$file" ] || missing+=("${node_packages[$file]}")
  done
  [ "${#missing[@]}" -gt 0 ] || return 0
  echo "installing ${missing[*]} …" >&2
  need apt-get "install ${missing[*]} by hand"
  apt-get update -q >&2
  DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends "${missing[@]}" >&2
}

build_containerd() {
  local cache=$runtime package=github.com/containerd/containerd/v2 tags=urfave_cli_no_docs name
  local version="-X $package/version.Version=$containerd_version -X $package/version.Package=$package"
  for name in containerd ctr; do
    build_binary containerd "$package/cmd/$name" "$name" "$version" "$tags"
  done
  # Shims speak ttrpc, so that each pod's costs little memory.
  name=containerd-shim-runc-v2
  build_binary containerd "$package/cmd/$name" "$name" "$version" "$tags,no_grpc"
}

# The container that holds each pod's namespaces, from Kubernetes' own source.
build_pause() {
  [ -s "$cache/pause.tar" ] && return 0
  local source
  source=$(cd "$modules/kubernetes" && go list -mod=readonly -m -f '{{.Dir}}' k8s.io/kubernetes)
  cc -static -Os -s -DVERSION="$kubernetes_version" -o "$cache/pause" "$source/build/pause/linux/pause.c"
  "$modules/../image" --binary "$cache/pause" --name pause --reference "$pause_image" --output "$cache/pause.tar" >&2
}

build_node() {
  local command
  node_tools
  build_etcd
  for command in kube-apiserver kubectl kube-controller-manager kube-scheduler kube-proxy kubelet; do
    build_kubernetes "$command"
  done
  build_containerd
  build_pause
}
