#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Installs the Debian packages that are missing: for the build and `make run`, or also for one more set.
#
#   tools/deps.sh [--tests|--bench|--fuzz]...
#
# Says which are missing and why before it installs. Needs root, or sudo. Starts no service. Where all is
# there it asks dpkg once and does nothing. On other systems than Debian it names what is missing.
set -eu

# set | package | what it brings: cmd:NAME (or one of NAME,NAME), lib:PKGCONFIG or file:PATH | why
table='
build | build-essential  | cmd:cc          | compiles the programs
build | pkgconf          | cmd:pkg-config  | finds the libraries
build | meson            | cmd:meson       | describes the build
build | ninja-build      | cmd:ninja       | runs the build
build | clang-14         | cmd:clang-14,clang | compiles the kernel programs for BPF
build | llvm-14          | cmd:llvm-strip-14,llvm-strip | strips the kernel programs
build | bpftool          | cmd:bpftool     | turns the kernel programs into headers
build | libbpf-dev       | lib:libbpf      | loads the kernel programs
build | linux-libc-dev   | file:/usr/include/linux/bpf.h | headers of the kernel
build | libcap-dev       | lib:libcap      | reads capabilities
build | libjansson-dev   | lib:jansson     | writes JSON
build | libmnl-dev       | lib:libmnl      | speaks netlink
build | libyaml-dev      | lib:yaml-0.1    | reads YAML with lines for berth lint
build | libexpat1-dev    | lib:expat       | reads XML with lines for berth lint
build | libncurses-dev   | lib:ncursesw    | draws berth top on a terminal
build | libpcap-dev      | lib:libpcap     | reads captures in berth audit
build | libwireshark-data | file:/usr/share/wireshark/services | has the registry of services as a file
build | iproute2         | cmd:ip          | makes the network namespaces of make run
build | procps           | cmd:sysctl      | sets sysctls in network namespaces
build | util-linux       | cmd:unshare,nsenter | enters them
build | python3          | cmd:python3     | measures and draws in make run, reads test logs
build | librsvg2-bin     | cmd:rsvg-convert | makes the PNG of the plot
tests | libcmocka-dev    | lib:cmocka      | unit and model tests
tests | bats             | cmd:bats        | system tests
tests | nginx-light      | cmd:nginx       | a server under test
tests | curl             | cmd:curl        | a client under test
tests | wrk              | cmd:wrk         | a client with many connections under test
tests | netbase          | file:/etc/services | the names of services, which tests compare with
tests | socat            | cmd:socat       | a client and server under test, TCP and UDP
tests | dnsmasq-base     | cmd:dnsmasq     | a UDP server under test
tests | bind9-dnsutils   | cmd:dig         | a UDP client under test
tests | netcat-openbsd   | cmd:nc          | a UDP client of examples/udp-host
tests | iputils-ping     | cmd:ping        | drives examples/udp-host
tests | libusrsctp-dev   | lib:usrsctp     | SCTP in user space, for examples/sctp
tests | lsof             | cmd:lsof        | what it says is compared with berth ports
tests | tmux             | cmd:tmux        | a terminal of a given size for system tests
tests | jq               | cmd:jq          | reads JSON in system tests
tests | libcap2-bin      | cmd:capsh       | drops capabilities in system tests
tests | clang-format-14  | cmd:clang-format-14 | checks the form of the sources
tests | shellcheck       | cmd:shellcheck  | checks the shell scripts
tests | codespell        | cmd:codespell   | checks the spelling
tests | mandoc           | cmd:mandoc      | checks the man page
tests | abigail-tools    | cmd:abidiff     | compares the interface of libberth with the released one
bench | wrk              | cmd:wrk         | load for the figures
bench | libglib2.0-dev   | lib:glib-2.0    | a rival of the demultiplexer
bench | libck-dev        | lib:ck          | a rival of the demultiplexer
bench | liburcu-dev      | lib:liburcu-cds | a rival of the demultiplexer
fuzz  | libclang-rt-14-dev | cmd:clang-14,clang | sanitizers of the fuzz targets
fuzz  | libfuzzer-14-dev | cmd:clang-14,clang | the fuzzing engine
'

die()
{
  printf 'deps: %s\n' "$*" >&2
  exit 2
}

# Rows of the wanted sets as "package|brings|why", each package once.
wanted_rows()
{
  awk -F'|' -v sets=" $* " '
    function trim(s) { gsub(/^ +| +$/, "", s); return s }
    NF == 4 && index(sets, " " trim($1) " ") && !seen[trim($2)]++ {
      print trim($2) "|" trim($3) "|" trim($4)
    }' <<<"$table"
}

# True where what a package brings is there, however it came.
is_there()
{
  local kind=${1%%:*} name=${1#*:} one

  case $kind in
  cmd)
    for one in ${name//,/ }; do
      PATH=$PATH:/usr/sbin:/sbin command -v "$one" >/dev/null && return
    done
    return 1
    ;;
  lib) pkg-config --exists "$name" 2>/dev/null ;;
  file) [ -e "$name" ] ;;
  esac
}

# Rows out of stdin whose package is not installed.
missing_packages()
{
  local rows installed

  rows=$(cat)
  # shellcheck disable=SC2046 # one word for each package
  installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' \
    $(cut -d'|' -f1 <<<"$rows") 2>/dev/null || true)
  awk -F'|' 'NR == FNR { split($0, w, " "); if (w[1] == "installed") have[w[2]] = 1; next }
    !($1 in have)' <(printf '%s\n' "$installed") <(printf '%s\n' "$rows")
}

# Rows out of stdin of which nothing is there.
missing_tools()
{
  local package brings why

  while IFS='|' read -r package brings why; do
    is_there "$brings" || printf '%s|%s|%s\n' "$package" "$brings" "$why"
  done
}

print_rows()
{
  awk -F'|' '{ printf "  %-20s %s\n", $1, $3 }' <<<"$1"
}

log=
policy=/usr/sbin/policy-rc.d
policy_mark='# berth: tools/deps.sh put this here for the time of an installation'

# Lets no package start a service while we install; what was there before comes back at the end. One at a time, since
# the next one would take ours for what was there before.
forbid_services()
{
  exec {lock}<"${policy%/*}"
  flock "$lock"
  trap clean_up EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  if [ -e $policy ] && ! grep -qF "$policy_mark" $policy; then
    $sudo mv $policy $policy.before-berth
  fi
  printf '#!/bin/sh\n%s\nexit 101\n' "$policy_mark" | $sudo tee $policy >/dev/null
  $sudo chmod 755 $policy
}

clean_up()
{
  rm -f "$log"
  if [ -e $policy.before-berth ]; then
    $sudo mv $policy.before-berth $policy
  else
    $sudo rm -f $policy
  fi
}

run_apt()
{
  $sudo env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l LC_ALL=C \
    apt-get -q -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" </dev/null {lock}<&-
}

# Runs apt quietly: what it said is shown only where it fails.
quiet_apt()
{
  run_apt "$@" >"$log" 2>&1
}

install_packages()
{
  forbid_services
  log=$(mktemp)
  quiet_apt install -y --no-install-recommends "$@" && return
  # A package list that lacks a package, or names a version that the mirror has no more, is stale.
  echo "deps: renewing the package list"
  if ! quiet_apt update || ! quiet_apt install -y --no-install-recommends "$@"; then
    tail -n 30 "$log" >&2
    die "apt-get could not install: $*"
  fi
}

sets=build
for word; do
  case $word in
  --tests) sets="$sets tests" ;;
  --bench) sets="$sets bench" ;;
  --fuzz) sets="$sets fuzz" ;;
  *) die "unknown word '$word'; usage: tools/deps.sh [--tests|--bench|--fuzz]..." ;;
  esac
done

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  missing=$(wanted_rows "$sets" | missing_tools)
  [ -n "$missing" ] || exit 0
  echo "deps: this is no Debian; install by your own means what brings these (Debian's names):" >&2
  awk -F'|' '{ printf "  %-20s %-28s %s\n", $1, $2, $3 }' <<<"$missing" >&2
  exit 1
fi

missing=$(wanted_rows "$sets" | missing_packages)
[ -n "$missing" ] || exit 0
mapfile -t packages < <(cut -d'|' -f1 <<<"$missing")
echo "deps: missing packages ($sets):"
print_rows "$missing"

sudo=
if [ "$(id -u)" != 0 ]; then
  command="apt-get install --no-install-recommends ${packages[*]}"
  command -v sudo >/dev/null || die "neither root nor sudo here; let root run: $command"
  sudo=sudo
  if ! sudo -n true 2>/dev/null; then
    [ -t 0 ] || die "sudo asks for a password and there is no terminal; let root run: $command"
    sudo -v || die "sudo refused; let root run: $command"
  fi
fi
install_packages "${packages[@]}"
echo "deps: installed: ${packages[*]}"
