# shellcheck shell=bash
# Programs that the tests need beside Python: a Redis server, PostgreSQL, git, nginx, Prometheus, a
# model checker, a bundler, a browser and its driver. Source this file after environment.sh.
#
# The system's package manager installs missing ones. For a user without that right on Debian, the
# packages are unpacked into .tools instead.

tools=$project/.tools
# Debian installs nginx outside of users' PATH.
PATH=$PATH:$tools/bin:/usr/sbin
export PATH

has_redis() {
  command -v redis-server >/dev/null
}

# Debian installs the server's programs outside of the PATH.
has_postgres() {
  local folder
  command -v initdb >/dev/null && command -v postgres >/dev/null && return
  for folder in /usr/lib/postgresql/*/bin; do
    [ -x "$folder/initdb" ] && [ -x "$folder/postgres" ] && return
  done
  return 1
}

has_git() {
  command -v git >/dev/null
}

has_nginx() {
  command -v nginx >/dev/null
}

has_prometheus() {
  command -v prometheus >/dev/null && command -v promtool >/dev/null
}

# It translates models to C, so it needs a compiler.
has_model_checker() {
  command -v spin >/dev/null && command -v gcc >/dev/null
}

has_bundler() {
  command -v esbuild >/dev/null
}

has_browser() {
  command -v chromedriver >/dev/null || return 1
  command -v chromium >/dev/null || command -v chromium-browser >/dev/null ||
    command -v google-chrome >/dev/null ||
    [ -x "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" ] ||
    [ -x "/Applications/Chromium.app/Contents/MacOS/Chromium" ]
}

# apt-get with its own lists and cache, so that it works without root.
user_apt_get() {
  apt-get -qq -o Dir::State::status=/var/lib/dpkg/status -o Dir::State::lists="$tools/apt/lists" \
    -o Dir::Cache="$tools/apt/cache" -o APT::Sandbox::User="$(id -un)" "$@" </dev/null
}

# Print these packages and their dependencies, except those that are installed.
missing_packages() {
  user_apt_get --simulate --no-install-recommends install "$@" |
    awk '$1 == "Inst" && $3 !~ /^\[/ { print $2 }'
}

unpack_packages() {
  local archive packages
  say "Unpacking $* into .tools, because this user may not install packages ..."
  mkdir -p "$tools/apt/lists/partial" "$tools/apt/cache/archives/partial" "$tools/debian"
  user_apt_get update >&2 && packages=$(missing_packages "$@") || return
  # shellcheck disable=SC2086 # one word for each package
  (cd -- "$tools/apt/cache/archives" && user_apt_get download $packages) || return
  for archive in "$tools"/apt/cache/archives/*.deb; do
    dpkg-deb --extract "$archive" "$tools/debian" || return
  done
  rm -rf -- "$tools/apt"
}

# Unpack programs of a package into .tools/bin, without what it depends on. Arguments: the package,
# and the paths of the programs in it.
unpack_programs() {
  local archive package=$1 program
  say "Unpacking $package into .tools ..."
  shift
  mkdir -p "$tools/apt/lists/partial" "$tools/apt/cache/archives/partial" "$tools/debian" "$tools/bin"
  user_apt_get update >&2 || return
  (cd -- "$tools/apt/cache/archives" && user_apt_get download "$package") || return
  for archive in "$tools"/apt/cache/archives/*.deb; do
    dpkg-deb --extract "$archive" "$tools/debian" || return
  done
  rm -rf -- "$tools/apt"
  for program in "$@"; do
    ln -sf "../debian/$program" "$tools/bin/${program##*/}" || return
  done
}

# Write a launcher for an unpacked program, with its libraries and fonts.
write_launcher() {
  mkdir -p "$tools/bin"
  cat >"$tools/bin/$1" <<LAUNCHER
#!/bin/sh
tools=\$(CDPATH='' cd -- "\$(dirname -- "\$0")/.." && pwd -P)
debian=\$tools/debian
for folder in "\$debian"/usr/lib/*-linux-gnu* "\$debian"/lib/*-linux-gnu*; do
  LD_LIBRARY_PATH=\$folder:\$folder/pulseaudio\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}
done
export LD_LIBRARY_PATH FONTCONFIG_FILE="\$tools/fonts.conf"
exec "\$debian/$2" "\$@"
LAUNCHER
  chmod +x "$tools/bin/$1"
}

write_font_configuration() {
  cat >"$tools/fonts.conf" <<'FONTS'
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>/usr/share/fonts</dir>
  <dir prefix="relative">debian/usr/share/fonts</dir>
  <cachedir prefix="relative">fonts-cache</cachedir>
</fontconfig>
FONTS
}

unpack_browser() {
  unpack_packages chromium chromium-driver fonts-dejavu-core &&
    write_font_configuration &&
    write_launcher chromium usr/lib/chromium/chromium &&
    write_launcher chromedriver usr/bin/chromedriver
}

# Install a program. Arguments: its Debian package, its brew package, its path in the former.
install_program() {
  if can_install_packages; then
    install_packages "$1"
  elif command -v apt-get >/dev/null; then
    unpack_packages "$1" && write_launcher "${3##*/}" "$3"
  elif command -v brew >/dev/null; then
    say "Installing $2 by brew ..."
    brew install --quiet "$2" >&2
  fi
}

install_redis() {
  install_program redis-server redis usr/bin/redis-server
}

unpack_postgres() {
  local folder
  unpack_packages postgresql || return
  for folder in "$tools"/debian/usr/lib/postgresql/*/bin; do
    write_launcher initdb "${folder#"$tools/debian/"}/initdb" &&
      write_launcher postgres "${folder#"$tools/debian/"}/postgres"
  done
}

install_postgres() {
  if can_install_packages; then
    install_packages postgresql
  elif command -v apt-get >/dev/null; then
    unpack_postgres
  elif command -v brew >/dev/null; then
    say "Installing postgresql by brew ..."
    brew install --quiet postgresql >&2
  fi
}

install_git() {
  install_program git git usr/bin/git
}

install_nginx() {
  install_program nginx nginx usr/sbin/nginx
}

# The package starts the server where systemd runs. Its programs alone need nothing else, so they are
# unpacked there, too: 19 MB are fetched.
install_prometheus() {
  if command -v apt-get >/dev/null; then
    unpack_programs prometheus usr/bin/prometheus usr/bin/promtool
  elif command -v brew >/dev/null; then
    say "Installing prometheus by brew ..."
    brew install --quiet prometheus >&2
  fi
}

install_model_checker() {
  if can_install_packages; then
    install_packages spin gcc libc6-dev
  else
    install_program spin spin usr/bin/spin
  fi
}

install_bundler() {
  install_program esbuild esbuild usr/bin/esbuild
}

install_browser() {
  if can_install_packages; then
    install_packages chromium chromium-driver fonts-dejavu-core
  elif command -v apt-get >/dev/null; then
    unpack_browser
  elif command -v brew >/dev/null; then
    say "Installing google-chrome and chromedriver by brew ..."
    brew install --quiet --cask google-chrome chromedriver >&2
  fi
}

# Put esbuild, which bundles the scripts and style sheets of the chat, on the PATH.
require_bundler() {
  has_bundler || install_bundler || true
  has_bundler || fail "The bundle needs esbuild on the PATH (Debian: esbuild, brew: esbuild)."
}

# Install the packages that check the JavaScript client. The environment of the tests has Node.js.
require_client_tools() {
  local folder=$project/client
  cmp -s "$folder/package-lock.json" "$folder/node_modules/installed" && return
  say "Installing the packages of client/package-lock.json ..."
  "$venv/bin/npm" ci --prefix "$folder" --silent --no-audit --no-fund --ignore-scripts </dev/null >&2
  cp -- "$folder/package-lock.json" "$folder/node_modules/installed"
}

# Put redis-server, PostgreSQL, git, nginx, Prometheus, spin, a Chromium and chromedriver on the PATH.
require_tools() {
  has_redis || install_redis || true
  has_redis || fail "The tests need redis-server on the PATH (Debian: redis-server, brew: redis)."
  has_git || install_git || true
  has_git || fail "The tests need git on the PATH (Debian: git, brew: git)."
  has_nginx || install_nginx || true
  has_nginx || fail "The tests need nginx on the PATH (Debian: nginx, brew: nginx)."
  has_postgres || install_postgres || true
  has_postgres || fail "The tests need PostgreSQL (Debian: postgresql, brew: postgresql)."
  has_prometheus || install_prometheus || true
  has_prometheus || fail "The tests need prometheus and promtool on the PATH" \
    "(Debian: prometheus, brew: prometheus)."
  has_model_checker || install_model_checker || true
  has_model_checker || fail "The tests need spin and gcc on the PATH (Debian: spin gcc, brew: spin)."
  require_bundler
  has_browser || install_browser || true
  has_browser || fail "The tests need Chromium or Google Chrome, and chromedriver on the PATH" \
    "(Debian: chromium chromium-driver, brew: google-chrome chromedriver)."
}
