# shellcheck shell=bash
# Shared by the scripts: finds Python, creates .venv.
# Source this file. It works with Bash 3.2 of macOS.

project=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
venv=$project/.venv

# pytest rewrites each test file, which takes half of the time until the tests begin. It keeps the
# result for all of its processes and for the next run, unless this is set.
unset PYTHONDONTWRITEBYTECODE

say() {
  printf '%s\n' "$*" >&2
}

fail() {
  say "$@"
  exit 1
}

# Whether this user can install Debian packages: as root, or with sudo without a password.
can_install_packages() {
  command -v apt-get >/dev/null || return 1
  [ "$(id -u)" -eq 0 ] || sudo -n true 2>/dev/null
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  else
    sudo -n "$@"
  fi
}

# Install Debian packages.
install_packages() {
  say "Installing $* by apt-get ..."
  as_root apt-get update -qq </dev/null >&2
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    -o DPkg::Lock::Timeout=300 "$@" </dev/null >/dev/null
}

is_usable_python() {
  "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null
}

# Print the path of a Python 3.11 to 3.14, preferably PYTHON. Fails if there is none.
find_python() {
  local name
  for name in "${PYTHON:-python3}" python3 python3.13 python3.14 python3.12 python3.11; do
    if command -v "$name" >/dev/null && is_usable_python "$name"; then
      command -v "$name"
      return
    fi
  done
  return 1
}

require_python() {
  find_python && return
  say "Python 3.11, 3.12, 3.13 or 3.14 is needed, and none was found on the PATH."
  say "  Debian, Ubuntu:  sudo apt-get install python3 python3-venv"
  say "  macOS:           brew install python@3.13"
  fail "If you have one elsewhere, name it: PYTHON=/path/to/python3 $0"
}

# Debian's Python lacks the modules that create virtual environments.
require_venv_module() {
  local python=$1 package
  "$python" -c 'import ensurepip, venv' 2>/dev/null && return
  package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
  if can_install_packages && install_packages "$package"; then
    "$python" -c 'import ensurepip, venv' 2>/dev/null && return
  fi
  say "$python cannot create virtual environments: its modules venv and ensurepip are missing."
  fail "  Debian, Ubuntu:  sudo apt-get install $package"
}

# A virtual environment breaks if it is moved or its Python is removed.
is_venv_whole() {
  [ "$(cat "$venv/made-for" 2>/dev/null)" = "$project" ] && is_usable_python "$venv/bin/python"
}

make_venv() {
  local python
  [ ! -L "$venv" ] || fail "$venv is a link. Remove it: this script would clear what it leads to."
  python=$(require_python)
  require_venv_module "$python"
  say "Creating .venv with $("$python" --version) ..."
  "$python" -m venv --clear "$venv"
  printf '%s\n' "$project" >"$venv/made-for"
}

# The requirements installed in .venv. If they differ, the packages are out of date.
fingerprint() {
  cat "$@" "$venv/pyvenv.cfg" | cksum
}

is_installed() {
  [ "$(cat "$venv/installed-$1" 2>/dev/null)" = "$2" ]
}

install_requirements() {
  say "Installing the packages of $1 ..."
  "$venv/bin/python" -m pip install -qq --disable-pip-version-check --no-input \
    --requirement "$project/$1" </dev/null
}

# Install the packages of the chat into .venv.
require_chat_environment() {
  local wanted
  is_venv_whole || make_venv
  wanted=$(fingerprint "$project/requirements.txt")
  is_installed chat "$wanted" && return
  install_requirements requirements.txt
  printf '%s\n' "$wanted" >"$venv/installed-chat"
}

# Also install the packages of the tests and the checks into .venv.
require_test_environment() {
  local wanted
  is_venv_whole || make_venv
  wanted=$(fingerprint "$project/requirements.txt" "$project/tests/requirements.txt")
  is_installed tests "$wanted" && return
  install_requirements tests/requirements.txt
  printf '%s\n' "$wanted" >"$venv/installed-tests"
  fingerprint "$project/requirements.txt" >"$venv/installed-chat"
}
