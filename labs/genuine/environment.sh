# shellcheck shell=bash
# The environment of 2017, labs/genuine/.venv: what labs/genuine/compare and the commands of
# labs/benchmarks/ share.
# To be sourced after scripts/environment.sh.

is_python_of_then() {
  "$1" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null
}

find_python_of_then() {
  local name
  for name in "${PYTHON_OF_THEN:-python3.11}" python3.11 "$venv/bin/python" python3; do
    if command -v "$name" >/dev/null && is_python_of_then "$name"; then
      command -v "$name"
      return
    fi
  done
  say "The packages of 2017 need Python 3.11, and none was found on the PATH: they import"
  say "distutils, which Python 3.12 does not have any more, and older ones cannot run the harness."
  say "  Debian 12:  sudo apt-get install python3.11 python3.11-venv"
  fail "If you have one elsewhere, name it: PYTHON_OF_THEN=/path/to/python3.11 $0"
}

# Make labs/genuine/.venv hold the packages of 2017. The functions of environment.sh work on $venv.
require_environment_of_then() {
  local python venv=$project/labs/genuine/.venv wanted
  if ! is_venv_whole || ! is_python_of_then "$venv/bin/python"; then
    python=$(find_python_of_then)
    require_venv_module "$python"
    say "Making labs/genuine/.venv with $("$python" --version) ..."
    "$python" -m venv --clear "$venv"
    printf '%s\n' "$project" >"$venv/made-for"
  fi
  wanted=$(fingerprint "$project"/labs/genuine/requirements*.txt)
  is_installed legacy "$wanted" && return
  install_requirements labs/genuine/requirements.txt
  "$venv/bin/python" -m pip install -qq --disable-pip-version-check --no-input \
    --force-reinstall --no-deps --requirement "$project/labs/genuine/requirements-last.txt" </dev/null
  printf '%s\n' "$wanted" >"$venv/installed-legacy"
}
