# shellcheck shell=bash
# The services around the chat in a deployment: a Redis server, PostgreSQL, a proxy.
# Source this file after environment.sh and tools.sh.

# Install redis-server, git, PostgreSQL's server and nginx, and put them on the PATH.
require_services() {
  has_redis || install_redis || true
  has_redis || fail "The rehearsal needs redis-server (Debian: redis-server, brew: redis)."
  has_git || install_git || true
  has_git || fail "The rehearsal needs git (Debian: git, brew: git)."
  has_postgres || install_postgres || true
  has_postgres || fail "The rehearsal needs PostgreSQL (Debian: postgresql, brew: postgresql)."
  has_nginx || install_nginx || true
  has_nginx || fail "The rehearsal needs nginx (Debian: nginx, brew: nginx)."
}
