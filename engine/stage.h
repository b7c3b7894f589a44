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

/* One wire packet before a stage, and what the stages so far have made of it. */
struct wire {
	/* what it is */
	uint64_t at_ns; /* when it arrives here; a stage that delays moves it on */
	uint32_t len; /* bytes from the Ethernet header to the end, without FCS */
	uint32_t packets; /* 1, or more for a super-packet that cannot be cut */
	uint32_t bits; /* that may be flipped */
	uint32_t payload_bits; /* of those, the last ones, in the transport payload */
	uint32_t ip_len; /* bytes from the IP header on; 0: no IP */
	bool ect; /* ECN-capable */
	bool may_fragment; /* IPv4 without DF */

	/* what becomes of it */
	bool mark; /* leaves with ECN congestion experienced */
	bool hurry; /* skips the delay, overtakes */
	bool flip, mended; /* bit @flip_bit is wrong; with the checksum mended */
	uint32_t flip_bit;
	uint32_t copies; /* that follow it */
	uint32_t behind; /* so many overtake it, for @within_ns at most */
	uint64_t within_ns;
	uint32_t fragment; /* MTU to cut it to; 0: whole */
	uint8_t reason; /* enum choppy_drop, when it does not pass; the row's unless changed */
	uint8_t reply; /* enum reply, likewise */
	uint32_t reply_mtu;
};

#define STAGE_TABLE_SCALE 8192 /* of a distribution's table: one standard deviation */

/* What a stage works by, beside the condition: data that stays until the next set(). */
struct stage_data {
	const int16_t *delay_table, *slot_table; /* of the distributions; NULL: uniform */
	uint32_t ndelay_table, nslot_table;
};

struct stage {
	const char *name; /* also keys its random stream: a new name is a new sequence */
	uint64_t fields; /* CHOPPY_FIELD_BIT()s: awake while any of them is set */
	enum choppy_drop reason; /* counted for a packet that packet() refuses */
	bool delays; /* packet() may move a packet to a later time */
	bool behind_queue; /* it judges what has left the queue; the others, what is to enter it */
	size_t size; /* bytes of state, zeroed before init() */
	void (*init)(void *state, const struct rng_key *key); /* may be NULL */

	/*
	 * A new condition from link time @now_ns on, also when the stage goes to sleep with it. The
	 * random stream goes on where it was.
	 */
	void (*set)(void *state, const struct choppy_condition *c, const struct stage_data *data,
		    uint64_t now_ns);

	/* Whether the packet passes. */
	bool (*packet)(void *state, struct wire *w);
};

extern const struct stage outage_stage;
extern const struct stage mtu_stage;
extern const struct stage list_stage;
extern const struct stage loss_stage;
extern const struct stage duplicate_stage;
extern const struct stage corrupt_stage;
extern const struct stage reorder_stage;
extern const struct stage delay_stage;
extern const struct stage slot_stage;

#endif
