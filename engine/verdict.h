/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verdict.h - what became of a wire packet that did not simply pass, as a line of
 * text to read, cut down, keep, and apply again.
 */
#ifndef CHOPPY_VERDICT_H
#define CHOPPY_VERDICT_H

#include "choppy.h"
#include "flow.h"

enum verdict_kind {
	VERDICT_DROPPED, /* value: enum choppy_drop */
	VERDICT_DUPLICATED, /* value: copies */
	VERDICT_CORRUPTED, /* value: bit; in the whole packet */
	VERDICT_MENDED, /* the same with the checksum mended: bit of the payload */
	VERDICT_MARKED, /* ECN */
	VERDICT_DELAYED, /* value: ns of delay, where chance decides it */
	VERDICT_HURRIED, /* skipped the delay */
	VERDICT_OVERTAKEN, /* value: by how many; value2: ns within which */
	VERDICT_FRAGMENTED, /* value: MTU to which it was cut */
	VERDICT_NKINDS,
};

#define VERDICT_NO_TIME UINT64_MAX

/* A plain value of 64 bytes. */
struct verdict {
	uint32_t line : 24; /* of the file that it was read from, or 0 */
	uint32_t part : 8; /* 0: the packet itself; else a copy or a fragment of it */
	uint16_t link;
	uint8_t dir; /* enum choppy_dir */
	uint8_t kind;
	uint64_t packet; /* number in the direction, from 1; 0: only the flow says which */
	uint64_t in_flow; /* number in the flow, from 1; 0: no flow known */
	uint64_t value, value2;
	uint64_t at_ns; /* arrival, since the link's start; VERDICT_NO_TIME: not known */
	uint64_t due_ns; /* when it left or was to; VERDICT_NO_TIME: it did not */
	uint64_t flow_hash; /* flow_label_hash(), or 0 */
};

/* ---------------------------------------------------------------------- text */

#define VERDICT_LINE_MAX 256
#define VERDICT_FIRST_LINE "# choppy verdicts 1"

/* The file's first lines: version, seed, what the columns are. As snprintf(3). */
int verdict_header(char *buf, size_t size, uint64_t seed);

/* One line with its newline; returns its length. @flow: the label, or NULL. */
int verdict_print(char buf[VERDICT_LINE_MAX], const struct verdict *v, const char *flow);

/* What is wrong with a line, and in which column of characters, from 1. */
struct verdict_error {
	unsigned column;
	char why[224];
};

/*
 * Read a line (without newline). 0: done, with the label in @ret_flow if that is not NULL
 * ("-": none); 1: a comment or empty; -EINVAL: see @err.
 */
int verdict_parse(struct verdict *ret, char ret_flow[FLOW_LABEL_MAX], const char *line,
		  struct verdict_error *err);

const char *verdict_name(enum verdict_kind kind);

/* -------------------------------------------------------------------- replay */

/* By link, direction, packet (its number, or flow and number in it), kind, line. */
void verdict_sort(struct verdict *v, size_t n, bool by_flow);
/* Whether both are about one packet. */
bool verdict_same_packet(const struct verdict *a, const struct verdict *b, bool by_flow);
/* Whether no packet could come to both; @a and @b are about one. */
bool verdict_contradicts(const struct verdict *a, const struct verdict *b);

/*
 * Verdicts to apply, of one direction: looked up by packet number, or by flow and
 * number in it. The array stays the caller's.
 */
struct replay {
	const struct verdict *v;
	size_t n;
	bool by_flow;
	size_t next; /* by packet number: the first that is not behind yet */
};

/* Those of @link and @dir among @n sorted ones. */
void replay_begin(struct replay *r, const struct verdict *v, size_t n, uint32_t link,
		  enum choppy_dir dir, bool by_flow);

/*
 * All verdicts of a packet, next to each other: their count, the first in @ret. Quick where packet
 * numbers do not go back. @key: its packet, flow_hash and in_flow, and part.
 */
size_t replay_find(struct replay *r, const struct verdict *key, const struct verdict **ret);

#endif
