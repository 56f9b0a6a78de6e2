# Sourced by the scripts: installs what is missing on Debian or Ubuntu, and says so.
# Nothing here needs an AWS account. Run as root or with sudo at hand.

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

setup_system() {
  say "System packages"
  need_command cc build-essential
  need_command git git
  need_command python3 python3
  python3 -c 'import venv, ensurepip' 2>/dev/null || install_packages python3-venv
  need_command node nodejs
  need_command npm npm
  local major
  major=$(node -p 'process.versions.node.split(".")[0]')
  [ "$major" -ge 20 ] || die "Node.js $(node --version) is too old. Install 20 or newer"
  if ! compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; then
    install_packages postgresql
  fi
}

setup_rust() {
  say "Rust toolchain"
  if ! command -v cargo >/dev/null; then
    apt-cache show rustup >/dev/null 2>&1 || die "no cargo here. Install rustup, then run this again"
    install_packages rustup
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
