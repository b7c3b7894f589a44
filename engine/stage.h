/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stage.h - what an impairment is: one row of functions over a state of its
 * own, and the contract that every one of them keeps.
 *
 * A stage decides about wire packets, one at a time, in the order of their arrival. It
 * never sends, allocates, frees, reads a clock or makes a system call; it knows nothing of
 * frames. Times are link time: when the packet arrives here by the emulated
 * link's own reckoning, however late this process was woken. Two calls with the
 * same state and arguments do the same thing.
 *
 * A stage whose fields are not set sleeps: packets pass it by at no cost.
 *
 * To add a stage: a file with such a row, and the row's place in pipe.c's table.
 */
#ifndef CHOPPY_STAGE_H
#define CHOPPY_STAGE_H

#include "choppy.h"
#include "rng.h"

/* One wire packet before a stage. */
struct wire {
	uint64_t at_ns; /* when it arrives here; the stage moves it on to when it leaves */
	uint32_t len; /* bytes from the Ethernet header to the end, without FCS */
	uint32_t packets; /* 1, or more for a super-packet that cannot be cut */
};

/* The first packets in a holding stage's queue: neighbours out of one frame. */
struct wire_row {
	uint64_t at_ns; /* arrival */
	uint32_t count;
	uint32_t len; /* of each but the last */
	uint32_t last_len;
	uint32_t packets; /* for which each stands */
};

struct stage {
	const char *name; /* also keys its random stream: a new name is a new sequence */
	uint64_t fields; /* CHOPPY_FIELD_BIT()s: awake while any of them is set */
	enum choppy_drop reason; /* counted for a packet that packet() refuses */
	bool delays; /* packet() may move a packet to a later time */
	size_t size; /* bytes of state, zeroed before init() */
	void (*init)(void *state, const struct rng_key *key); /* may be NULL */

	/*
	 * A new condition from link time @now_ns on, also when the stage goes to sleep with it. The
	 * random stream goes on where it was.
	 */
	void (*set)(void *state, const struct choppy_condition *c, uint64_t now_ns);

	/* Whether the packet passes. For a holding stage: whether it is taken into the queue. */
	bool (*packet)(void *state, struct wire *w);

	/*
	 * Only for a stage that holds packets (at most one is in the table): the
	 * pipe keeps them, in order, and asks which leave. serve() looks at the front of the
	 * queue at link time @until_ns and returns how many of @head leave it
	 * together (0: none yet) and in @ret_at_ns when they arrive at the next stage.
	 * next() is the link time at which asking again may help.
	 */
	uint32_t (*serve)(void *state, uint64_t until_ns, const struct wire_row *head,
			  uint64_t *ret_at_ns);
	uint64_t (*next)(const void *state);
};

extern const struct stage loss_stage;
extern const struct stage queue_stage;
extern const struct stage delay_stage;

#endif
