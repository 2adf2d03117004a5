#!/bin/sh
# Makes the secrets of compose.yaml that are not there yet. Run it in any folder.
set -eu
cd "$(dirname "$0")/secrets"
for name in metrics-token acme-app-token grafana-password; do
  [ -s "$name" ] && continue
  od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$name"
  # Compose binds the file as it is, and each container has a user of its own: the folder keeps others out.
  chmod 0444 "$name"
done
chmod 0700 .
