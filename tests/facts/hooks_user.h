/* SPDX-License-Identifier: BSD-2-Clause */
/* Loads hooks.bpf.c into the private cgroup of a fact. */
#ifndef BERTH_FACTS_HOOKS_USER_H
#define BERTH_FACTS_HOOKS_USER_H

#include "fact.h"
#include "hooks.h"

extern struct hooks_want *want;
extern struct hooks_seen *seen;

/* fact_begin_cgroup(), then loads and attaches the programs; skips where the kernel refuses BPF. */
void hooks_begin(const char *text);

/* Loads another set of the programs and attaches it to the cgroup; both outputs last until the end. */
void hooks_load(int cgroup, struct hooks_want **out_want, struct hooks_seen **out_seen);

#endif
