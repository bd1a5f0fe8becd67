# shellcheck shell=bash
# The services around the chat in a deployment: a Redis server, PostgreSQL, a proxy.
# Source this file after environment.sh and tools.sh.

# Debian installs the server's programs outside of the PATH.
has_postgres() {
  local folder
  command -v initdb >/dev/null && command -v postgres >/dev/null && return
  for folder in /usr/lib/postgresql/*/bin; do
    [ -x "$folder/initdb" ] && [ -x "$folder/postgres" ] && return
  done
  return 1
}

# Install a package with the system's package manager. Arguments: its Debian and brew names.
install_service() {
  if can_install_packages; then
    install_packages "$1"
  elif command -v brew >/dev/null; then
    say "Installing $2 by brew ..."
    brew install --quiet "$2" >&2
  fi
}

# Install redis-server, git, PostgreSQL's server and nginx, and put them on the PATH.
require_services() {
  has_redis || install_redis || true
  has_redis || fail "The rehearsal needs redis-server (Debian: redis-server, brew: redis)."
  has_git || install_git || true
  has_git || fail "The rehearsal needs git (Debian: git, brew: git)."
  has_postgres || install_service postgresql postgresql || true
  has_postgres || fail "The rehearsal needs PostgreSQL (Debian: postgresql, brew: postgresql)."
  has_nginx || install_nginx || true
  has_nginx || fail "The rehearsal needs nginx (Debian: nginx, brew: nginx)."
}
