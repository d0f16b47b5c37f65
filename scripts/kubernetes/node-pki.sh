# shellcheck shell=bash
# Certificates, tokens and kubeconfigs of the one-node cluster. To be sourced, after node-settings.sh.

# certificate NAME SUBJECT EXTENSIONS: signed by the cluster's authority
certificate() {
  new_key "$1"
  openssl req -new -key "$pki/$1.key" -subj "$2" |
    openssl x509 -req -CA "$pki/ca.crt" -CAkey "$pki/ca.key" -days 365 -out "$pki/$1.crt" -extfile <(printf '%s\n' "$3") 2>/dev/null
}

new_key() { openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$pki/$1.key"; }

certificates() {
  local names="IP:$node_address,IP:$api_service,IP:127.0.0.1,DNS:localhost,DNS:kubernetes,DNS:kubernetes.default"
  names="$names,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local"
  new_key ca
  openssl req -x509 -new -key "$pki/ca.key" -subj /CN=cluster -days 365 -out "$pki/ca.crt"
  certificate apiserver /CN=kube-apiserver "subjectAltName=$names
extendedKeyUsage=serverAuth"
  certificate kubelet "/CN=system:node:$node/O=system:nodes" "subjectAltName=IP:$node_address,DNS:$node
extendedKeyUsage=serverAuth"
  # Whom kubelet lets read logs and run probes on behalf of kubectl.
  certificate kubelet-client /CN=kube-apiserver-kubelet/O=system:masters "extendedKeyUsage=clientAuth"
  new_key service-accounts
  openssl pkey -in "$pki/service-accounts.key" -pubout -out "$pki/service-accounts.pub"
}

# user FILE USER GROUP: a kubeconfig with a token of its own
user() {
  local token
  token=$(openssl rand -hex 16)
  echo "$token,$2,$2${3:+,\"$3\"}" >>"$pki/tokens.csv"
  cat >"$1" <<YAML
apiVersion: v1
kind: Config
current-context: cluster
clusters: [{name: cluster, cluster: {server: "https://$node_address:$api_port", certificate-authority: $pki/ca.crt}}]
users: [{name: user, user: {token: $token}}]
contexts: [{name: cluster, context: {cluster: cluster, user: user}}]
YAML
}

make_pki() (
  umask 077
  mkdir -p "$pki"
  certificates
  user "$KUBECONFIG" admin system:masters
  user "$pki/kube-controller-manager.kubeconfig" system:kube-controller-manager ""
  user "$pki/kube-scheduler.kubeconfig" system:kube-scheduler ""
  user "$pki/kube-proxy.kubeconfig" system:kube-proxy ""
  user "$pki/kubelet.kubeconfig" "system:node:$node" system:nodes
)
