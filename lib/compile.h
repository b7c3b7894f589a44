/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * compile.h - what the engine works by, made of conditions: filters compiled, tables, traces and
 * verdicts read, all of it checked.
 */
#ifndef CHOPPY_COMPILE_H
#define CHOPPY_COMPILE_H

#include "choppy.h"
#include "match.h"

/* Packets that do not get through, whatever the rules say of them. */
struct compile_cut {
	struct match_insn *insns; /* which ones: a program (engine/match.h) */
	uint32_t ninsns;
	enum choppy_dir dir;
	int reject; /* enum choppy_reject, or -1: nobody is told */
};

struct compile_input {
	const struct choppy_condition *dir; /* CHOPPY_NDIRS of them */
	const struct choppy_rules *rules;
	const char *replay; /* a file of verdicts, or "" */
	bool replay_by_flow;
	const struct compile_cut *cuts; /* tried before the rules; LINK_CUTS_MAX at most */
	uint32_t ncuts;
};

/*
 * A plan (engine/plan.h) in sealed memory: @ret_fd is the caller's, and has @ret_size bytes. With a
 * NULL @ret_fd everything is checked only. Fails with the file, the line and the column, or the
 * expression that is wrong.
 */
int compile_plan(const struct compile_input *in, int *ret_fd, uint64_t *ret_size,
		 struct choppy_err *err);

#endif
