# SPDX-License-Identifier: BSD-2-Clause
# tools/check-abi.sh on copies of the library's headers, the last release being v0.1: what may change and what not.
# shellcheck shell=bash
bats_require_minimum_version 1.5.0

setup_file()
{
  local tool

  cd "$BATS_TEST_DIRNAME/../.." || return
  for tool in cc abidw abidiff git; do
    command -v $tool >/dev/null || export ABI_LACKS=$tool
  done
  # Below a hook of git its commits would go into the hook's repository; who signs commits is not asked here.
  # shellcheck disable=SC2046 # one word for each variable
  unset $(git rev-parse --local-env-vars 2>/dev/null)
  export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
  mkdir -p "$BATS_FILE_TMPDIR/released/tools" "$BATS_FILE_TMPDIR/released/src/lib" "$BATS_FILE_TMPDIR/released/include"
  cp tools/check-abi.sh tools/sources.sh "$BATS_FILE_TMPDIR/released/tools"
  cp src/lib/libberth.abi src/lib/libberth.map src/lib/meson.build "$BATS_FILE_TMPDIR/released/src/lib"
  cp -r include/berth "$BATS_FILE_TMPDIR/released/include"
}

setup()
{
  [ -z "${ABI_LACKS-}" ] || skip "$ABI_LACKS is not installed"
  [ "$(getconf LONG_BIT)" = 64 ] || skip "the interface is that of machines with 64 bits"
  cp -r "$BATS_FILE_TMPDIR/released" "$BATS_TEST_TMPDIR/tree"
  cd "$BATS_TEST_TMPDIR/tree" || return
  space=include/berth/space.h map=src/lib/libberth.map
}

release()
{
  git init -q .
  git add -A
  git -c user.name=test -c user.email=test@localhost commit -q -m release
  git tag v0.1
}

# change FILE SED: must change something
change()
{
  cp "$1" before
  sed -i "$2" "$1"
  run ! cmp -s "$1" before
}

declare_fresh()
{
  change "$space" 's/^BERTH_API uint32_t berth_space_zone/BERTH_API int berth_space_fresh(void);\n&/'
}

@test "nothing has changed: nothing is said" {
  release
  run -0 tools/check-abi.sh
  [ -z "$output" ]
}

@test "a member of a struct is wider: refused before a release and after it" {
  change "$space" 's/	uint16_t addresses;/	uint32_t addresses;/'
  run -1 tools/check-abi.sh
  [[ $output == *"not that of src/lib/libberth.abi"*"type size changed from 768 to 832"*"--accept"* ]]
  change "$space" 's/	uint32_t addresses;/	uint16_t addresses;/'
  release
  change "$space" 's/	uint16_t addresses;/	uint32_t addresses;/'
  run -1 tools/check-abi.sh --accept
  [[ $output == *"not that of v0.1"* ]]
  change src/lib/meson.build "s/soversion: '0'/soversion: '1'/"
  run -0 tools/check-abi.sh --accept
  run -0 tools/check-abi.sh
}

@test "an error has another number, a function is gone: refused" {
  release
  change "$space" 's/E_ROOM,      -3,/E_ROOM, -33,/'
  run -1 tools/check-abi.sh --accept
  [[ $output == *"BERTH_SPACE_E_ROOM' from value '-3' to '-33'"* ]]
  git checkout -q "$space"
  change "$map" '/berth_space_zone;/d'
  run -1 tools/check-abi.sh --accept
  [[ $output == *"1 Removed function"* ]]
}

@test "a new function wants a new version node" {
  release
  declare_fresh
  change "$map" 's/	berth_space_zone;/	berth_space_fresh;\n&/'
  run -1 tools/check-abi.sh --accept
  [[ $output == *"berth_space_fresh"*"it wants a new node"* ]]
  git checkout -q "$map"
  echo 'BERTH_0.2 { global: berth_space_fresh; } BERTH_0.1;' >>"$map"
  run -1 tools/check-abi.sh
  [[ $output == *"1 Added function"* ]]
  run -0 tools/check-abi.sh --accept
  run -0 tools/check-abi.sh
}

@test "a policy at the end is accepted, one in the middle is not" {
  release
  change include/berth/habits.h 's|.*RFC 6056 section 2.2")|& \\\n	X(NEWEST, "newest", true, 1, 2, "", "", "")|'
  run -1 tools/check-abi.sh
  run -0 tools/check-abi.sh --accept
  git checkout -q include src
  change include/berth/habits.h 's/^	X(OPENBSD,/	X(NEWEST, "newest", true, 1, 2, "", "", "") \\\n&/'
  run -1 tools/check-abi.sh --accept
  [[ $output == *"BERTH_SPACE_OPENBSD' from value"* ]]
}
