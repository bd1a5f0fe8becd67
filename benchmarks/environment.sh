# shellcheck shell=bash
# What the commands of benchmarks/ need: .venv, legacy/.venv, a Redis server. To be sourced.

# shellcheck source=scripts/environment.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/../scripts/environment.sh"
# shellcheck source=scripts/tools.sh
. "$project/scripts/tools.sh"
# shellcheck source=legacy/environment.sh
. "$project/legacy/environment.sh"

# Make .venv hold what the load generator and the rooms need, and Redis stand on the PATH.
require_benchmark_environment() {
  require_test_environment
  has_redis || install_redis || true
  has_redis || fail "The benchmarks need redis-server on the PATH (Debian: redis-server, brew: redis)."
}

# The group of pyproject.toml; read here, as not every pip knows groups.
plot_requirements() {
  "$venv/bin/python" - "$project/pyproject.toml" <<'PYTHON'
import sys, tomllib
with open(sys.argv[1], "rb") as file:
    print("\n".join(tomllib.load(file)["dependency-groups"]["benchmarks"]))
PYTHON
}

# Make .venv hold what draws the plots.
require_plot_environment() {
  local wanted
  wanted=$(plot_requirements | fingerprint -)
  is_installed benchmarks "$wanted" && return
  say "Installing what draws the plots ..."
  plot_requirements |
    "$venv/bin/python" -m pip install -qq --disable-pip-version-check --no-input \
      --requirement /dev/stdin
  printf '%s\n' "$wanted" >"$venv/installed-benchmarks"
}
