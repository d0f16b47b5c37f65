//go:build tools

// Package tools holds the module's requirement on what is built from it, which no other file of it imports.
package tools

import _ "k8s.io/kube-state-metrics/v2"
