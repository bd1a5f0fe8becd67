# shellcheck shell=bash
# The environment of the other task runners, labs/benchmarks/runners/.venv.
# To be sourced after scripts/environment.sh.

# Make it hold Celery and dramatiq. The functions of environment.sh work on $venv.
require_environment_of_runners() {
  local python venv=$project/labs/benchmarks/runners/.venv wanted
  if ! is_venv_whole; then
    # The Python of .venv: all runners have the same one.
    python=$project/.venv/bin/python
    say "Making labs/benchmarks/runners/.venv with $("$python" --version) ..."
    "$python" -m venv --clear "$venv"
    printf '%s\n' "$project" >"$venv/made-for"
  fi
  wanted=$(fingerprint "$project/labs/benchmarks/runners/requirements.txt")
  is_installed runners "$wanted" && return
  install_requirements labs/benchmarks/runners/requirements.txt
  printf '%s\n' "$wanted" >"$venv/installed-runners"
}
