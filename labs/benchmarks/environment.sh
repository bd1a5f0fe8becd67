# shellcheck shell=bash
# What the commands of labs/benchmarks/ need: .venv, those of other packages, a Redis server. To be sourced.

# shellcheck source=scripts/environment.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/../../scripts/environment.sh"
# shellcheck source=scripts/tools.sh
. "$project/scripts/tools.sh"
# shellcheck source=labs/genuine/environment.sh
. "$project/labs/genuine/environment.sh"
# shellcheck source=labs/benchmarks/peers/environment.sh
. "$project/labs/benchmarks/peers/environment.sh"

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
