#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Runs a sanitized program with its addresses where sanitizers expect them: sanitized.sh PROGRAM [ARG...]
#
# The run-time libraries of gcc 12 end a program that lies elsewhere, as it often does where the kernel draws more
# than 28 bits of an address.
setarch -R true 2>/dev/null && exec setarch -R "$@"
bits=$(cat /proc/sys/vm/mmap_rnd_bits 2>/dev/null || echo 28)
[ "$bits" -gt 28 ] || exec "$@"
echo "addresses are too random here for sanitizers (vm.mmap_rnd_bits is $bits), and setarch -R is refused"
exit 77
